#!/usr/bin/env python3
"""Makes the files of fuzz/corpus that are text or packed text. Workbooks and Parquet files there were written by
the tests' own writers (`source/tests/binary.rs`) and are kept."""

import gzip
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent / "fuzz" / "corpus"

ENGLISH = 'base,ref,similarity\nnurse,"care, assistant",0.5\n"two\nlines",x,1\n'
JAPANESE = "職種A,職種B,点数\n看護師,看護助手,○\n教師,講師,４／５\n医師,歌手,4月5日\n"
LINES = '{"text1": "a", "text2": "\\u770b", "score": 0.5}\n{"text1": "c", "text2": null, "score": 1}\n'

FILES = {
    "delimited/english.csv": ENGLISH.encode(),
    "delimited/crlf-semicolon.csv": ENGLISH.replace("\n", "\r\n").replace(",", ";").encode(),
    "delimited/cr-tab.tsv": JAPANESE.replace("\n", "\r").replace(",", "\t").encode("utf-8-sig"),
    "delimited/sep.csv": ("sep=|\n" + JAPANESE.replace(",", "|")).encode(),
    "delimited/cp932.csv": JAPANESE.encode("cp932"),
    "delimited/euc-jp.csv": JAPANESE.encode("euc_jp"),
    "delimited/utf-16.tsv": JAPANESE.replace(",", "\t").encode("utf-16"),
    "delimited/utf-16be.csv": ENGLISH.encode("utf-16-be"),
    "delimited/latin-1.csv": "base,ref,similarity\ndonnées,data,1\n".encode("latin-1"),
    "delimited/open-quote.csv": b'base,ref,similarity\na,"b,1\nc,d,0\n',
    "delimited/stray-quotes.csv": b'5" disk,a "b" c,1\n"a" b,c"d,0\n',
    "delimited/blank-lines.csv": b"\n\r\n\r,,\nbase,ref,similarity\n\na,b,1\n\n",
    "delimited/zeros.csv": b"base,ref,similarity\na\0,\0,1\n",
    "json/list.json": b'[{"base": "a", "ref": "b", "similarity": 0.5},\n {"base": "c", "ref": "d", "similarity": 1e0}]',
    "json/lists.json": b'[["a", "b", 0.5], ["c", "d", 1]]',
    "json/nested.json": b'[{"a": [{}], "b": {"c": []}}]',
    "json/cut.json": b'[{"base": "a", "ref": "b',
    "json/deep.json": b"[" * 500,
    "json/lines.jsonl": LINES.encode(),
    "json/lines-of-lists.jsonl": b'["a", "b", 1]\r["c", "d", 0]\r',
    "json/chat.jsonl": b'{"messages": [{"role": "user", "content": "hi"}]}\n',
    "packed/english.csv.gz": gzip.compress(ENGLISH.encode(), mtime=0),
    "packed/members.csv.gz": gzip.compress(ENGLISH.encode(), mtime=0) + gzip.compress(b"a,b,1\n", mtime=0),
    "packed/cut.csv.gz": gzip.compress(JAPANESE.encode(), mtime=0)[:-6],
    "packed/bomb.gz": gzip.compress(b"a" * 4_000_000, mtime=0),
    "packed/twice.gz": gzip.compress(gzip.compress(LINES.encode(), mtime=0), mtime=0),
    "any/page.html": b"<!DOCTYPE html><table><tr><td>a</td></tr></table>",
    "any/paper.pdf": b"%PDF-1.7\n",
    "any/lines.jsonl": LINES.encode(),
    "any/cp932.csv": JAPANESE.encode("cp932"),
}

for name, content in FILES.items():
    path = ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
