"""Writes the workbooks of this folder anew: `python3 make.py`, with openpyxl, xlwt and odfpy, and LibreOffice as `soffice`.

`calc.*` are one workbook, written by openpyxl and saved by LibreOffice in each of its formats; `xlwt.xls` and
`odfpy.ods` are what programs write.
"""

import datetime
import subprocess
import tempfile
from pathlib import Path

import odf.opendocument
import odf.table
import odf.text
import openpyxl
import openpyxl.comments
import xlwt

HERE = Path(__file__).parent
# Longer than a record of an old workbook may be (8,224 bytes), with characters of one byte and of two.
LONG = "naïve " * 1_500 + "職業 " * 1_500


def calc(folder: Path) -> Path:
    book = openpyxl.Workbook()
    book.active.title = "表紙"
    book.active["A1"] = "職種の組の一覧"
    sheet = book.create_sheet("データ")
    sheet["A1"] = "2026 年度 職種の類似度"
    sheet.append(["職種A", "職種B", "点数", "日付", "確認"])
    sheet.append(["看護師", "看護助手\n(二行)", 0.1 + 0.2, datetime.date(2026, 4, 5), "済"])
    sheet.append([None, "医師", 4, datetime.datetime(1999, 12, 31, 23, 59), "未"])
    sheet.append([None, "  前後の空白  ", -1.5, None, "はい & <いいえ>"])
    sheet.append(["教師", "講師", "=1+0.25", None, "=NA()"])
    sheet.append([])
    sheet.append(["naïve café", "😀 絵文字", 1e-7, None, "同じ"])
    sheet.append(["naïve café", "😀 絵文字", 1234567, None, "同じ"])
    sheet.append([LONG, LONG[::-1], 0.625, None, "=A3&\"です\""])
    sheet.append(["割合", "百分率", 0.8, None, None])
    sheet["C11"].number_format = "0%"
    sheet.merge_cells("A3:A5")
    sheet["B6"].comment = openpyxl.comments.Comment("注記", "誰か")
    hidden = book.create_sheet("隠し")
    hidden.append(["text_a", "text_b", "score"])
    hidden.append(["a", "b", 0.5])
    hidden.sheet_state = "hidden"
    book.save(folder / "made.xlsx")
    return folder / "made.xlsx"


def by_xlwt() -> None:
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("組")
    for column, name in enumerate(["文1", "文2", "スコア", "日付", "確認"]):
        sheet.write(0, column, name)
    date = xlwt.easyxf(num_format_str="yyyy\"年\"m\"月\"d\"日\"")
    span = xlwt.easyxf(num_format_str="[h]:mm")
    for row in range(1, 101):
        sheet.write(row, 0, f"職種 {row}")
        sheet.write(row, 1, f"job {row} é")
        sheet.write(row, 2, row / 100)
    sheet.write(1, 3, datetime.date(2026, 11, 27), date)
    sheet.write(2, 3, 1.5, span)
    sheet.write(1, 4, True)
    hidden = book.add_sheet("隠し")
    hidden.write(0, 0, "x")
    hidden.visibility = 1
    book.save(HERE / "xlwt.xls")


def by_odfpy() -> None:
    document = odf.opendocument.OpenDocumentSpreadsheet()
    table = odf.table.Table(name="組")
    for cells in [["文1", "文2", "スコア"], *([f"職種 {row}", f"job  {row}", row / 4] for row in range(1, 5))]:
        row = odf.table.TableRow()
        for cell in cells:
            kept = {"valuetype": "float", "value": cell} if isinstance(cell, float) else {"valuetype": "string"}
            kept = odf.table.TableCell(**kept)
            if not isinstance(cell, float):
                kept.addElement(odf.text.P(text=cell))
            row.addElement(kept)
        table.addElement(row)
    # Three rows that are alike are written once, and so are two columns; a sheet has blank ones up to its end.
    row = odf.table.TableRow(numberrowsrepeated=3)
    for kept in [
        odf.table.TableCell(valuetype="string", numbercolumnsrepeated=2),
        odf.table.TableCell(valuetype="float", value=1),
        odf.table.TableCell(valuetype="boolean", booleanvalue="true"),
        odf.table.TableCell(valuetype="time", timevalue="PT12H30M00S"),
        odf.table.TableCell(numbercolumnsrepeated=16_379),
    ]:
        row.addElement(kept)
    words = odf.text.P(text="同じ")
    words.addElement(odf.text.S(c=2))
    words.addElement(odf.text.Span(text="文"))
    words.addElement(odf.text.LineBreak())
    words.addElement(odf.text.Ruby())
    words.lastChild.addElement(odf.text.RubyBase(text="職業"))
    words.lastChild.addElement(odf.text.RubyText(text="しょくぎょう"))
    row.childNodes[0].addElement(words)
    row.childNodes[3].addElement(odf.text.P(text="12:30"))
    table.addElement(row)
    table.addElement(odf.table.TableRow(numberrowsrepeated=1_000_000))
    row = odf.table.TableRow()
    for words in ["最後", "終わり"]:
        row.addElement(odf.table.TableCell(valuetype="string"))
        row.lastChild.addElement(odf.text.P(text=words))
    row.addElement(odf.table.TableCell(valuetype="float", value=0, formula="of:=[.C2]*0"))
    row.addElement(odf.table.TableCell(formula="of:=[.C2]*2"))
    table.addElement(row)
    document.spreadsheet.addElement(table)
    document.save(HERE / "odfpy.ods")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = calc(Path(folder))
        for ending in ["xlsx", "xls", "ods", "fods"]:
            out = Path(folder) / ending
            subprocess.run(["soffice", "--headless", "--convert-to", ending, "--outdir", out, made], check=True, capture_output=True)
            (HERE / f"calc.{ending}").write_bytes((out / f"made.{ending}").read_bytes())
    by_xlwt()
    by_odfpy()


if __name__ == "__main__":
    main()
