// The page of codes is whole without this; here one of its languages is chosen.

import { head } from "./docpage.js";

document.documentElement.dataset.one = "";
head("errors");
// The codes that the other language showed have moved.
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
