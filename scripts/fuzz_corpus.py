#!/usr/bin/env python3
"""Makes the files of fuzz/corpus that are text or packed text. Workbooks and Parquet files there were written by
the tests' own writers (`source/tests/binary.rs`, `source/tests/books/make.py`) and are kept."""

import gzip
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent / "fuzz" / "corpus"

ENGLISH = 'base,ref,similarity\nnurse,"care, assistant",0.5\n"two\nlines",x,1\n'
JAPANESE = "職種A,職種B,点数\n看護師,看護助手,○\n教師,講師,４／５\n医師,歌手,4月5日\n"
LINES = '{"text1": "a", "text2": "\\u770b", "score": 0.5}\n{"text1": "c", "text2": null, "score": 1}\n'

TURTLE = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
<http://x/1> a skos:Concept ; skos:prefLabel "health"@en .
<http://x/2> a skos:Concept ; skos:prefLabel "nurse"@en , "\u770b\u8b77\u5e2b"@ja ; skos:altLabel "carer"@en ;
    skos:broader <http://x/1> ; skos:definition "Nurses care."@en .
"""
JSON_LD = """{"@context": {"skos": "http://www.w3.org/2004/02/skos/core#"}, "@graph": [
{"@id": "http://x/1", "@type": "skos:Concept", "skos:prefLabel": {"@value": "nurse", "@language": "en"},
 "skos:broader": {"@id": "http://x/2"}}, {"@id": "http://x/2", "@type": "skos:Concept", "skos:prefLabel": "health"}]}
"""
RDF_XML = """<?xml version="1.0"?><!DOCTYPE rdf:RDF [<!ENTITY skos "http://www.w3.org/2004/02/skos/core#">]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:skos="&skos;">
<skos:Concept rdf:about="http://x/1"><skos:prefLabel xml:lang="en">health</skos:prefLabel></skos:Concept>
<skos:Concept rdf:about="http://x/2"><skos:prefLabel xml:lang="en">nurse &amp; carer</skos:prefLabel><skos:broader rdf:resource="http://x/1"/></skos:Concept>
</rdf:RDF>
"""
ENTITIES = """<!DOCTYPE rdf:RDF [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><rdf:RDF>&b;&b;</rdf:RDF>"""
FLAT = """<?xml version="1.0"?><office:document office:mimetype="application/vnd.oasis.opendocument.spreadsheet">
<office:automatic-styles><style:style style:name="h" style:family="table"><style:table-properties table:display="false"/></style:style>
</office:automatic-styles><office:body><office:spreadsheet><table:table table:name="x" table:style-name="h"><table:table-row>
<table:table-cell office:value-type="string"><text:p>a<text:s text:c="2"/>&amp;<text:line-break/>b</text:p></table:table-cell>
<table:table-cell office:value-type="date" office:date-value="2026-04-05" table:number-rows-spanned="2"/>
<table:covered-table-cell table:number-columns-repeated="3"/></table:table-row>
<table:table-row table:number-rows-repeated="2"><table:table-cell table:formula="of:=1" table:number-columns-repeated="2"/></table:table-row>
</table:table></office:spreadsheet></office:body></office:document>
"""
# One sentence of each in an encoding of its own.
OLDER = {
    "cp1250": "księgowa,urzędniczka,1", "iso8859_2": "księgowa,żołnierz,0", "cp1251": "бухгалтер,учитель,0", "koi8_u": "медсестра,сиделка,1",
    "cp1252": "infirmière,l\u2019aide-soignante,1", "cp1254": "öğretmen,şoför,0", "cp1256": "محاسب,ممرضة,0", "cp874": "พยาบาล,หมอ,0",
    "euc_kr": "간호사,의사,0", "gb18030": "护士,医生,0", "big5": "護士,醫生,0",
}
ALL_CHOICES = """{"read_as": {"format": "csv", "encoding": "utf-8", "delimiter": ",", "header": true, "sheet": null},
"mapping": {"text_a": "base", "text_b": 1, "negative": null, "score": "similarity"}, "kind": "pair_score",
"scale": {"lowest": 0, "highest": 1}, "words": {"high": 1}, "lowest_means": "unrelated", "apply": [], "on_bad_row": "skip"}
"""


def sentencepiece(pieces: list) -> bytes:
    """A SentencePiece model (protobuf) of pieces with their scores and kinds."""
    varint = lambda number: bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)
    field = lambda number, content: varint(number << 3 | 2) + varint(len(content)) + content
    piece = lambda text, score, kind: field(1, text.encode()) + bytes([2 << 3 | 5]) + struct.pack("<f", score) + bytes([3 << 3, kind])
    return b"".join(field(1, piece(*what)) for what in pieces) + field(2, bytes([3 << 3, 1])) + field(3, bytes([3 << 3, 1]))


FILES = {
    "sheet/flat.fods": FLAT.encode(),
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
    "delimited/titles.csv": b"Review 2026,,\nby: QA\n\nText A,Text B,Score\na,b,1\nc,d,0\n",
    "delimited/comments.csv": b"# exported, twice\n# again\ntext1,text2,score\na,b,1\n",
    "delimited/backslashes.csv": b'"text1","text2"\n"a \\"b\\", c","d"\n"e\\\\","f\\"',
    "delimited/tab-quotes.tsv": b'text1\ttext2\tscore\n"a\tb\t1\n"c" d\te"\t0\n',
    "delimited/tab-quoted.tsv": b'"text1"\t"text2"\n"a\nb"\t"c ""d"""\n',
    "delimited/ragged.tsv": b"main\tfile\t2012\t0001\t5.000\ta b\tc d\nmain\tfile\t2012\t0002\t0.2\te\tf\thttp://x\ty\n",
    "delimited/negatives.csv": b"anchor,positive,negative_1,negative_2\na,b,c,d\ne,f,,\n",
    "delimited/distances.csv": b"premise,hypothesis,label,distance\na,b,0,0.1\nc,d,2,0.9\n",
    "json/union.jsonl": b'{"text1": "a", "text2": "b"}\n{"text1": "c", "text2": "d", "score": NaN, "meta": {"x": [1]}}\n',
    "json/flag.jsonl": b'{"query": "a", "pos": ["b", {"text": "c"}], "neg": []}\n{"set": {"query": "d", "pos": [], "neg": ["e"]}}\n',
    "json/texts.jsonl": b'{"texts": ["a", "b"], "label": 1}\n{"texts": ["a"]}\n{"texts": ["a", "b", "c", "d"]}\n{"set": ["a", "b"]}\n',
    "json/halves.jsonl": b'{"text1": "\\ud83d", "text2": "a\\udc00\\ud83d\\ude00"}\n',
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
    # The first byte says how the file is written: a table, Turtle, JSON-LD.
    "taxonomy/table": b"\x00id,parent,label,alt_labels,description\n1,,health,,\n11,1,nurse,carer|sister,Nurses care.\n12,1,doctor,,Heals.\n",
    "taxonomy/circle": b"\x00id,parent,label\n1,2,a\n2,1,b\n3,3,c\n",
    "taxonomy/turtle": b"\x01" + TURTLE.encode(),
    "taxonomy/json-ld": b"\x02" + JSON_LD.encode(),
    "taxonomy/rdf-xml": b"\x05" + RDF_XML.encode(),
    "taxonomy/entities": b"\x05" + ENTITIES.encode(),
    "taxonomy/turtle-with-mark": b"\x01\xef\xbb\xbf" + TURTLE.encode(),
    "any/rdf.xml": RDF_XML.encode(),
    "stored/pairs.csv": b"row,line,left,right,negative,score\n1,2,nurse,clerk,,0.5\n2,3,\"a, b\",c,d,1\n",
    "stored/numbers.csv": b"row,line,left,right,negative,score\n0,18446744073709551615,a,b,,1e-320\n",
    "choices/all.json": ALL_CHOICES.encode(),
    "choices/none.json": b"{}",
    "choices/with-table": b'{"scale": {"lowest": 1, "highest": 5}}\0left;right;score\na;b;1\nc;d;5\n',
    "sentencepiece/twice.model": sentencepiece([("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("\u2581a", -3.0, 1), ("\u2581a", -4.0, 1)]),
    "sentencepiece/small.model": sentencepiece([("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3),
                                                ("\u2581", -3.0, 1), ("\u2581nurse", -4.0, 1), ("a", -2.0, 1), ("看", -5.0, 1), ("<mask>", 0.0, 4)]),
}

for encoding, row in OLDER.items():
    FILES[f"delimited/{encoding}.csv"] = f"base,ref,similarity\n{row}\nnurse,pilot,0\n".encode(encoding)

for name, content in FILES.items():
    path = ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
