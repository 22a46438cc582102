//! XML whose entities stay small: one that holds others can stand for any number of bytes.

use std::io::{self, Read};

use crate::problems::Problems;

/// Bytes of an entity's declaration.
const MOST_DECLARED: usize = 512;

/// References between two tags.
const MOST_REFERENCES: usize = 10_000;

const DECLARATION: &[u8] = b"!ENTITY";

/// A stream on its way to the parser, which replaces entities without a bound of its own.
pub(super) struct Entities<R> {
    inner: R,
    /// What stands between the last `<` and here, its beginning.
    tag: Vec<u8>,
    references: usize,
}

impl<R> Entities<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, tag: Vec::new(), references: 0 }
    }

    fn pass(&mut self, byte: u8) -> Result<(), Problems> {
        if byte == b'<' {
            self.tag.clear();
            self.references = 0;
            return Ok(());
        }
        if self.tag.len() < DECLARATION.len() {
            self.tag.push(byte);
        } else if self.tag.starts_with(DECLARATION) {
            if self.tag.len() > MOST_DECLARED || byte == b'&' {
                return Err(too_much());
            }
            self.tag.push(byte);
        }
        self.references += usize::from(byte == b'&');
        if self.references > MOST_REFERENCES { Err(too_much()) } else { Ok(()) }
    }
}

fn too_much() -> Problems {
    Problems::table(
        "taxonomy_malformed",
        "The file's XML entities are long, hold others, or are used too often.",
        "Write what they stand for in their places, or convert the file to Turtle.",
    )
}

impl<R: Read> Read for Entities<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        out[..count].iter().try_for_each(|&byte| self.pass(byte)).map_err(io::Error::other)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_that_hold_others_and_long_ones_are_refused_and_those_of_namespaces_are_not() {
        let read = |text: &str| Entities::new(text.as_bytes()).read_to_end(&mut Vec::new()).is_ok();
        assert!(read("<!DOCTYPE rdf:RDF [<!ENTITY skos \"http://www.w3.org/2004/02/skos/core#\">]><a>&skos;&amp;</a>"));
        assert!(!read("<!DOCTYPE a [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>"));
        assert!(!read(&format!("<!DOCTYPE a [<!ENTITY a \"{}\">]>", "a".repeat(1000))));
        assert!(!read(&format!("<a>{}</a>", "&amp;".repeat(20_000))));
        assert!(read(&"<a>&amp;</a>".repeat(20_000)));
    }
}
