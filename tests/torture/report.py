"""python3 -m tests.torture.report FOLDER: writes the table of docs/reliability.md and docs/ja/reliability.md out of results."""

import argparse
import json
import sys
from pathlib import Path

from .parts import PARTS
from .server import ROOT

BEGIN, END = "<!-- results: `make torture` writes this -->", "<!-- /results -->"
PAGES = {"en": ROOT / "docs/reliability.md", "ja": ROOT / "docs/ja/reliability.md"}
HEADS = {
    "en": ["test", "points", "lost", "duplicated", "unexpected", "5xx", "stuck", "recovered", "more"],
    "ja": ["試験", "点数", "失われた", "重複", "想定外", "5xx", "停止", "回復", "そのほか"]}
WHAT_JA = {
    "kills-server": "サーバーを任意の瞬間に SIGKILL(6 回に 1 回は起動中)",
    "kills-trainer": "学習プロセスを任意の瞬間に SIGKILL(並行してリクエスト)",
    "points": "学習プロセスとサーバーを特定のシステムコールで SIGKILL(strace)",
    "io-errors": "サーバーと学習プロセスの特定の呼び出しで ENOSPC と EIO(1 回、またはしばらく)",
    "disk": "ディスク(tmpfs)が満杯:アップロード、チェックポイント、データベース、ジョブの終わり、再起動。のちに空きを作る",
    "database": "データベースのロック(3・20・40 秒)、破損、消失、差し替え、行の手動変更",
    "flips": "元のモデルと調整済みモデルのファイルの 1 ビット反転",
    "stopped": "学習プロセスとサーバーの SIGSTOP、時計の飛び、接続を保つ 64 クライアントでの SIGTERM",
    "slow": "遅いヘッダー、遅い本文、遅いアップロード、読まれない応答。並行して通常のクライアント",
    "hostile": "害を意図したモデル、表、数",
    "memory": "学習プロセスのメモリー不足(prlimit)、収まらない計画",
    "power": "チェックポイント、公開、バックアップ中の停電(シミュレーション)",
    "requests": "API の記述から schemathesis が作るリクエスト",
    "load": "多数の接続による混合の負荷"}


def more(results: dict, language: str) -> str:
    """What a part counts beside what all count."""
    details, part = results["details"], results["part"]
    said = lambda en, ja: ja if language == "ja" else en
    if "skipped" in details:
        return said(f"not done: {details['skipped']}", f"未実施:{details['skipped']}")
    if part == "power":
        mutants = [f"{said(en, ja)} {details[name]['caught_seeds']}/{details[name]['seeds']}" for name, en, ja in [
            ("without_syncs", "without fsync", "fsync なし"), ("in_place", "written in place", "その場に書く")] if name in details]
        skipped = "; ".join(details.get("skipped_parts", []))
        return said(f"mutants caught: {', '.join(mutants)} seeds; {details.get('different_folders')} different folders given to the program",
                    f"変異体の検出(シード):{'、'.join(mutants)}。異なるフォルダー {details.get('different_folders')} 個を実物で確認") + (
                        f"; {skipped}" if skipped else "")
    if part in ("slow",):
        return "; ".join(f"{kind}: {row['served']}/{row['served'] + row['not_served']}, p99 {row['p99_ms']} ms" for kind, row in details.items())
    if part == "load":
        flat = [f"{name} {row['middle']}→{row['end']}" for name, row in details.items() if isinstance(row, dict) and "middle" in row]
        return f"{results['minutes']:g} min; p50 {details.get('p50_ms')} ms, p99 {details.get('p99_ms')} ms; " + ", ".join(flat)
    if part == "stopped":
        terms = [row for row in details.get("sigterm", []) if row]
        return said(f"SIGTERM: {sum(row['failed'] for row in terms)} of {sum(row['answered'] for row in terms)} requests failed",
                    f"SIGTERM:{sum(row['answered'] for row in terms)} 件中 {sum(row['failed'] for row in terms)} 件失敗")
    if part == "disk":
        longest = max(details.get("seconds_from_room_to_the_end", {}).values(), default=None)
        return said(f"at most {longest} s from room to the job's end", f"空きができてからジョブの終わりまで最長 {longest} 秒")
    if part == "flips":
        found = {}
        for row in details.get("outcomes", {}).values():
            for outcome, times in row.items():
                name = "refused" if outcome.startswith("refused") else outcome
                found[name] = found.get(name, 0) + times
        return ", ".join(f"{name} {times}" for name, times in sorted(found.items()))
    return ""


def table(all_results: list, language: str) -> str:
    head = HEADS[language]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for results in all_results:
        what = WHAT_JA[results["part"]] if language == "ja" else results["what"]
        row = [f"`{results['part']}`: {what}", *(results[name] for name in (
            "points", "lost", "duplicated", "unexpected", "server_errors", "stuck", "recovered")), more(results, language)]
        lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |")
    of = lambda name: ", ".join(dict.fromkeys(str(results[name]) for results in all_results))
    words = {
        "en": f"Seed {of('seed')}; commits {of('commit')}; {of('machine')}; {all_results[0]['started'][:10]}. All that was counted, and "
              f"the binary's SHA-256, is in [docs/torture](torture), a file a part. Each row again: `python3 -m tests.torture PART --seed SEED --count COUNT`, which is:",
        "ja": f"シード {of('seed')}、コミット {of('commit')}、{of('machine')}、{all_results[0]['started'][:10]}。"
              f"数えたものとバイナリーの SHA-256 は [docs/torture](../torture) に試験ごとにあります。各行の再現:`python3 -m tests.torture PART --seed SEED --count COUNT`。すなわち:"}
    commands = "\n".join(["```sh", *(results["command"] for results in all_results), "```"])
    return "\n".join([*lines, "", words[language], "", commands])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.torture.report")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs/torture")
    folder = parser.parse_args().folder
    files = [folder / f"{name}.json" for name in PARTS]
    all_results = [json.loads(file.read_text()) for file in files if file.exists()]
    if not all_results:
        print(f"there are no results in {folder}", file=sys.stderr)
        return 1
    for language, page in PAGES.items():
        text = page.read_text()
        before, rest = text.split(BEGIN, 1)
        _, after = rest.split(END, 1)
        page.write_text(f"{before}{BEGIN}\n\n{table(all_results, language)}\n\n{END}{after}")
        print(f"{page.relative_to(ROOT)}: {len(all_results)} of {len(PARTS)} parts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
