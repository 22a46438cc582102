//! Codes of tables and taxonomies: of requests that bring them, of their rows, and of findings.

use super::Place::{Finding, Reply, Row};
use super::{Code, code};

pub(super) const CODES: &[Code] = &[
    code(
        "dataset_in_use",
        &[Reply(409)],
        [
            "A job, or the server's settings, refer to this dataset.",
            "ジョブまたはサーバーの設定がこの表を使っています。",
        ],
        ["Keep it; datasets of jobs cannot be removed.", "残しておいてください。ジョブが使った表は削除できません。"],
    ),
    code(
        "job_not_succeeded",
        &[Reply(409)],
        [
            "The job has made no model: it is not over yet, or it failed or was cancelled.",
            "ジョブのモデルがありません。まだ終わっていないか、失敗したか、取り消されています。",
        ],
        [
            "Ask again when the job's status is succeeded, or name another job.",
            "ジョブの status が succeeded になってからもう一度お試しになるか、別のジョブを指定してください。",
        ],
    ),
    code(
        "text_too_long",
        &[Reply(422)],
        [
            "A text has more tokens than the model reads, and \"truncate\" is false.",
            "モデルが読める長さを超える文があり、\"truncate\" が false になっています。",
        ],
        [
            "Shorten it, or leave out \"truncate\": false to have it cut.",
            "短くするか、\"truncate\": false を外すと自動で切り詰めます。",
        ],
    ),
    code(
        "too_few_pairs",
        &[Reply(422), Finding],
        ["The table has fewer pairs than a training needs.", "学習に必要な数の組がありません。"],
        ["Add pairs; the hint says how many are needed.", "組を増やしてください。必要な数は hint にあります。"],
    ),
    code(
        "rows_have_problems",
        &[Reply(422)],
        [
            "Some rows of the table cannot be used. Nothing was saved.",
            "表に使えない行があります。何も保存していません。",
        ],
        [
            "Correct the rows in `errors` and send the table again.",
            "`errors` にある行を直して、もう一度送信してください。",
        ],
    ),
    code(
        "columns_unclear",
        &[Reply(422)],
        [
            "The columns of the two texts and of the score were not found.",
            "2 つの文の列とスコアの列が見つかりませんでした。",
        ],
        ["Name the columns base, ref, similarity.", "1 行目の列名を base、ref、similarity にしてください。"],
    ),
    code(
        "no_rows",
        &[Reply(422)],
        ["The table has no pairs.", "表に文の組がありません。"],
        ["Put one pair in each row.", "1 行に 1 組ずつ入力してください。"],
    ),
    code(
        "no_scores",
        &[Reply(422)],
        [
            "The table has no scores, and a benchmark is read by them.",
            "表にスコアがありません。ベンチマークにはスコアが必要です。",
        ],
        [
            "Add a column of scores, or upload it without benchmark=true.",
            "スコアの列を加えるか、benchmark=true を付けずに登録してください。",
        ],
    ),
    code(
        "not_utf8",
        &[Reply(422)],
        [
            "A table or a part of a form is not UTF-8 text.",
            "表またはフォームの項目の文字コードが UTF-8 ではありません。",
        ],
        ["Save it as “CSV UTF-8”.", "表計算ソフトで「CSV UTF-8」を選んで保存してください。"],
    ),
    code(
        "quote_not_closed",
        &[Reply(422)],
        ["A quoted cell is never closed.", "引用符で始まるセルが閉じられていません。"],
        [
            "Close it with a second \"; a quote inside a text is written \"\".",
            "引用符 \" を閉じてください。文中の引用符は \"\" と 2 つ続けて書きます。",
        ],
    ),
    code(
        "too_many_columns",
        &[Reply(422)],
        ["The table has too many columns.", "表の列が多すぎます。"],
        ["Keep the two texts and the score.", "2 つの文とスコアの列だけを残してください。"],
    ),
    code(
        "too_many_rows",
        &[Reply(422)],
        ["The table has more rows than one job may learn from.", "表の行が 1 つのジョブの上限を超えています。"],
        ["Leave rows out.", "行を減らしてください。"],
    ),
    code(
        "line_too_long",
        &[Reply(422)],
        ["A line of the table is longer than any row would be.", "表に、1 行としては長すぎる行があります。"],
        ["Check that each row stands on a line of its own.", "1 行に 1 組ずつになっているか確かめてください。"],
    ),
    code(
        "unreadable",
        &[Reply(422)],
        ["The table cannot be read.", "表を読み取れませんでした。"],
        ["Save it as CSV UTF-8 and send it again.", "「CSV UTF-8」で保存し直して、もう一度送信してください。"],
    ),
    code(
        "pairs_unreadable",
        &[Reply(422)],
        ["The JSON pairs cannot be read.", "JSON の組を読み取れませんでした。"],
        [
            "Send [text, text, score] or {\"base\", \"ref\", \"similarity\"} for each.",
            "それぞれを [文, 文, スコア] か {\"base\", \"ref\", \"similarity\"} の形にしてください。",
        ],
    ),
    code(
        "format_not_supported",
        &[Reply(422)],
        [
            "The file is a workbook of a kind that is not read here, such as .xls or .ods.",
            "読み取れない種類のブックです（.xls、.ods など）。",
        ],
        [
            "Save it as CSV, XLSX, JSON, JSON Lines or Parquet, and send that.",
            "CSV、XLSX、JSON、JSON Lines、Parquet のいずれかで保存して送信してください。",
        ],
    ),
    code(
        "not_a_table",
        &[Reply(422)],
        [
            "The file is no table: a document, a picture, an archive; the detail says what it seems to be.",
            "表ではないファイルです（文書、画像、アーカイブなど）。何のファイルかは detail にあります。",
        ],
        [
            "Send a table: CSV, XLSX, JSON, JSON Lines or Parquet.",
            "CSV、XLSX、JSON、JSON Lines、Parquet のいずれかの表を送信してください。",
        ],
    ),
    code(
        "pack_damaged",
        &[Reply(422)],
        ["The packed file ends early or is damaged.", "圧縮ファイルが途中で切れているか、壊れています。"],
        ["Pack it again, or send it unpacked.", "圧縮し直すか、圧縮せずに送信してください。"],
    ),
    code(
        "unpacks_too_large",
        &[Reply(422)],
        ["The packed file becomes far larger than a table may be.", "展開後のサイズが表の上限を大きく超えます。"],
        ["Send a part of the table.", "表の一部を送信してください。"],
    ),
    code(
        "not_in_encoding",
        &[Reply(422)],
        [
            "The file holds bytes that are no character in the encoding that was asked for or found; the detail names the place.",
            "指定または判定された文字コードでは読めないバイトがあります。位置は detail にあります。",
        ],
        [
            "Choose another encoding, or save the table as \"CSV UTF-8\".",
            "別の文字コードを選ぶか、「CSV UTF-8」で保存してください。",
        ],
    ),
    code(
        "sheet_too_large",
        &[Reply(422)],
        [
            "The sheet is larger than a workbook may be here.",
            "シートのサイズが、読み取れるブックの上限を超えています。",
        ],
        [
            "Save the sheet as CSV: that is read piece by piece.",
            "シートを CSV で保存してください。CSV は少しずつ読み取れます。",
        ],
    ),
    code(
        "sheet_not_found",
        &[Reply(422)],
        ["The workbook has no sheet of this name.", "この名前のシートがブックにありません。"],
        ["Name one of the sheets that the detail lists.", "detail にあるシート名を指定してください。"],
    ),
    code(
        "column_nested",
        &[Reply(422)],
        ["A column that is needed holds lists or records.", "必要な列に、リストや構造体が入っています。"],
        ["Write one value in each cell.", "1 つのセルに 1 つの値を書いてください。"],
    ),
    code(
        "column_not_found",
        &[Reply(422)],
        [
            "The table has no column of this name or number; the detail lists those that there are.",
            "この名前または番号の列がありません。ある列は detail にあります。",
        ],
        ["Name one of them.", "その中から指定してください。"],
    ),
    code(
        "scale_unclear",
        &[Reply(422)],
        ["The scale's lowest score is not below its highest.", "尺度の最低点が最高点より低くなっていません。"],
        ["Give the lowest score first, as in 0-5.", "0-5 のように、最低点を先に書いてください。"],
    ),
    code(
        "word_off_scale",
        &[Reply(422)],
        ["A word is to stand for a number that is not from 0 to 1.", "言葉に割り当てた数が 0〜1 の範囲にありません。"],
        [
            "Give 0 for the lowest score, 1 for the highest, and 0.5 for the middle.",
            "最低点は 0、中央は 0.5、最高点は 1 としてください。",
        ],
    ),
    code(
        "column_taken_twice",
        &[Reply(422)],
        ["One column is asked for as two things.", "1 つの列が 2 つの役割に指定されています。"],
        ["Name another column for one of them.", "どちらかに別の列を指定してください。"],
    ),
    code(
        "stored_table_damaged",
        &[Reply(422)],
        ["The pairs that were kept of a dataset cannot be read.", "保存されているデータセットの組を読み取れません。"],
        ["Send the table again.", "表をもう一度送信してください。"],
    ),
    code(
        "file_changed",
        &[Reply(422)],
        ["The file was changed while it was read.", "読み取り中にファイルが変わりました。"],
        ["Send the table again.", "表をもう一度送信してください。"],
    ),
    code(
        "table_not_written",
        &[Reply(422)],
        ["The table's pairs could not be written.", "表の組を書き込めませんでした。"],
        [
            "Make room on the server's disk, then send the table again.",
            "サーバーのディスクを空けてから、もう一度送信してください。",
        ],
    ),
    code(
        "not_pairs",
        &[Reply(422)],
        [
            "The file holds something else than pairs of texts, such as chats.",
            "文の組ではないもの（チャットなど）が入っています。",
        ],
        ["Send two texts and a score for each line.", "1 行ごとに 2 つの文とスコアを送ってください。"],
    ),
    code(
        "nothing_to_mine",
        &[Reply(422)],
        [
            "The table gives no hard negatives: no two texts belong together, or all texts that are far enough do.",
            "この表からは紛らわしい負例を作れません。関連するペアがないか、離れたテキストがすべて互いに関連しています。",
        ],
        [
            "Add pairs about other things, or pairs with high scores; a smaller margin lets nearer texts through.",
            "ほかの話題のペアか、スコアの高いペアを加えてください。margin を小さくすると、より近いテキストも使われます。",
        ],
    ),
    code(
        "per_text_out_of_range",
        &[Reply(422)],
        ["per_text is not from 1 to 10.", "per_text が 1 から 10 の範囲にありません。"],
        ["Ask for 1 to 10 negatives for each text.", "1 つのテキストにつき 1 から 10 個を指定してください。"],
    ),
    code(
        "margin_out_of_range",
        &[Reply(422)],
        ["The margin is not from 0 to 1.", "margin が 0 から 1 の範囲にありません。"],
        [
            "Send a part of the positive's similarity, such as 0.05.",
            "正例の類似度に対する割合を指定してください（例: 0.05）。",
        ],
    ),
    code(
        "labels_missing",
        &[Reply(422)],
        ["The taxonomy has no concept with a label.", "分類体系に、名称のある項目がありません。"],
        [
            "Name the column of labels \"label\", or ask for a language that the SKOS file has.",
            "名称の列の見出しを「名称」か label にしてください。SKOS の場合は、ファイルにある言語を指定してください。",
        ],
    ),
    code(
        "too_many_concepts",
        &[Reply(422)],
        ["The taxonomy has more than 500,000 concepts.", "分類体系の項目が 500,000 件を超えています。"],
        ["Send a part of it.", "一部だけを送ってください。"],
    ),
    code(
        "taxonomy_form_unknown",
        &[Reply(422)],
        [
            "The taxonomy is RDF in XML, which is not read.",
            "分類体系が RDF/XML で書かれています。この形式は読み取れません。",
        ],
        ["Convert it to Turtle or JSON-LD.", "Turtle か JSON-LD に変換してください。"],
    ),
    code(
        "taxonomy_malformed",
        &[Reply(422), Row],
        [
            "The taxonomy is not well-formed Turtle or JSON-LD; the line is told where it is known.",
            "分類体系が Turtle または JSON-LD として正しくありません。分かる場合は行番号を示します。",
        ],
        [
            "Correct the line. Contexts from elsewhere are not fetched: write them into the file.",
            "その行を直してください。外部の @context は取得しないので、ファイルに書き込んでください。",
        ],
    ),
    code(
        "taxonomy_columns_unclear",
        &[Reply(422)],
        [
            "None of the columns is known to hold labels or ids of concepts, or there is no header.",
            "項目の名称や ID の列が見つからないか、見出し行がありません。",
        ],
        [
            "Name the columns id, parent, label, alt_labels, description.",
            "列の見出しを ID、上位、名称、別名、説明にしてください。",
        ],
    ),
    code(
        "held_out_unusable",
        &[Reply(422)],
        [
            "What is to be held out is not in the taxonomy, or is nothing or all of it.",
            "取り分ける分類が見つからないか、全部または何も取り分けないことになります。",
        ],
        ["Name groups by their ids, or a share such as 0.1.", "分類の ID か、0.1 のような割合を指定してください。"],
    ),
    code(
        "no_pairs_made",
        &[Reply(422)],
        [
            "The concepts have no descriptions, no alternative labels and no groups in common, so no pair can be made.",
            "説明も別名も共通の分類もないため、組を作れません。",
        ],
        ["Add one of these columns.", "いずれかの列を追加してください。"],
    ),
    code(
        "model_failed",
        &[Reply(422)],
        [
            "The model made no vectors for hard negatives.",
            "似ていない組を探すためのベクトルをモデルが計算できませんでした。",
        ],
        ["Check the model, or leave out hard_negatives.", "モデルを確かめるか、hard_negatives を外してください。"],
    ),
    code(
        "taxonomy_recipe_unusable",
        &[Reply(422)],
        ["A field about how pairs are made cannot be used.", "組の作り方を指定する項目が正しくありません。"],
        ["The detail names the field and why.", "detail に項目名と理由があります。"],
    ),
    code(
        "line_not_json",
        &[Row],
        ["A line of a JSON Lines file is not JSON.", "JSON Lines のファイルに、JSON ではない行があります。"],
        ["Put one JSON object in each line.", "1 行に 1 つの JSON オブジェクトを書いてください。"],
    ),
    code(
        "value_nested",
        &[Row],
        ["A cell holds a list or a record.", "セルにリストや構造体が入っています。"],
        ["Write one text or number there.", "1 つの文か数を書いてください。"],
    ),
    code(
        "score_is_a_date",
        &[Row],
        [
            "A spreadsheet seems to have turned a score such as 4/5 into a date.",
            "表計算ソフトが 4/5 のような点数を日付に変えたようです。",
        ],
        [
            "Apply the fix \"dates_as_fractions\", or type the score as 0.8.",
            "「dates_as_fractions」を適用するか、0.8 のように入力し直してください。",
        ],
    ),
    code(
        "text_missing",
        &[Row],
        ["The text is empty.", "文が空です。"],
        ["Fill in the text, or delete the row.", "文を入力するか、行を削除してください。"],
    ),
    code(
        "text_too_long",
        &[Row],
        ["The text is too long.", "文が長すぎます。"],
        ["Shorten it to a sentence or a paragraph.", "1 文から 1 段落程度に短くしてください。"],
    ),
    code(
        "text_has_nul",
        &[Row],
        ["The text contains an invisible NUL character.", "文に目に見えない NUL 文字が含まれています。"],
        ["Type the text again.", "文を入力し直してください。"],
    ),
    code(
        "score_missing",
        &[Row],
        ["The score is empty.", "スコアが空です。"],
        [
            "Write a score, or delete the row; \"on_bad_row\": \"skip\" leaves such rows out.",
            "スコアを入力するか、行を削除してください。on_bad_row を skip にすると、こうした行を除いて読み取ります。",
        ],
    ),
    code(
        "score_not_a_number",
        &[Row],
        ["The score is not a number.", "スコアが数ではありません。"],
        [
            "Write 0.8, 80% or 4/5; or say what the word stands for in \"words\".",
            "0.8、80%、4/5 のように書くか、言葉の意味を words で指定してください。",
        ],
    ),
    code(
        "score_out_of_range",
        &[Row],
        ["The score is outside the table's scale.", "スコアが表の尺度の範囲にありません。"],
        [
            "Correct the score, or say the right \"scale\", such as 0-10.",
            "スコアを直すか、scale で正しい尺度（0-10 など）を指定してください。",
        ],
    ),
    code(
        "uneven_row",
        &[Row],
        ["The row has another number of cells than the first row.", "セルの数が 1 行目と違います。"],
        [
            "Put a text that holds a comma in quotes: \"a, b\".",
            "コンマを含む文は \"a, b\" のように引用符で囲んでください。",
        ],
    ),
    code(
        "not_a_pair",
        &[Row],
        ["An entry of the JSON pairs is no pair.", "JSON の組の中に、組になっていないものがあります。"],
        [
            "Send [text, text, score] or {\"base\", \"ref\", \"similarity\"}.",
            "[文, 文, スコア] か {\"base\", \"ref\", \"similarity\"} の形にしてください。",
        ],
    ),
    code(
        "one_score_only",
        &[Finding],
        [
            "All pairs have the same score, so that nothing can be told apart.",
            "すべての組の点数が同じで、違いを学べません。",
        ],
        ["Add pairs with other scores.", "ほかの点数の組を加えてください。"],
    ),
    code(
        "nothing_below_middle",
        &[Finding],
        [
            "No score is below the middle: the model never sees what is unrelated.",
            "中央より低い点数がなく、「関係ない」組の例がありません。",
        ],
        ["Add pairs of texts that have nothing to do with each other.", "互いに関係のない文の組を加えてください。"],
    ),
    code(
        "contradicting_scores",
        &[Finding],
        ["The same pair has several scores.", "同じ組に違う点数が付いています。"],
        ["Decide for one, or have the mean taken.", "どれかに決めるか、平均を使ってください。"],
    ),
    code(
        "repeated_pairs",
        &[Finding],
        [
            "A pair is there more than once with the same score, also with its sides exchanged.",
            "同じ組が同じ点数で 2 回以上あります（左右が逆のものも含みます）。",
        ],
        [
            "Leave the repeats out, unless they are meant to count more.",
            "重みを付ける意図がなければ、重複を除いてください。",
        ],
    ),
    code(
        "identical_texts",
        &[Finding],
        ["Both texts of a pair are the same.", "組の 2 つの文が同じです。"],
        ["Give such pairs the highest score, or leave them out.", "最高の点数にするか、除いてください。"],
    ),
    code(
        "sorted_by_score",
        &[Finding],
        ["The rows are sorted by their scores.", "行が点数の順に並んでいます。"],
        [
            "Nothing is to be done: rows are drawn by chance for training and checking.",
            "対応は不要です。学習用と検証用の行は無作為に選ばれます。",
        ],
    ),
    code(
        "hub_text",
        &[Finding],
        ["One text is in more than a fifth of the rows.", "1 つの文が 5 分の 1 を超える行に出てきます。"],
        ["Add pairs of other texts.", "ほかの文の組を加えてください。"],
    ),
    code(
        "texts_too_long",
        &[Finding],
        [
            "Some texts are longer than the model reads; the rest of them is not seen.",
            "モデルが読める長さを超える文があり、超えた部分は使われません。",
        ],
        ["Put what matters first, or shorten the texts.", "大事な部分を先頭に書くか、短くしてください。"],
    ),
    code(
        "stray_characters",
        &[Finding],
        [
            "Some texts have blanks at their ends, line breaks or control characters.",
            "文の前後の空白、改行、制御文字が混ざっています。",
        ],
        ["Have them trimmed.", "取り除いてください。"],
    ),
    code(
        "damaged_text",
        &[Finding],
        [
            "Some texts were damaged before they came here: characters were lost or read in a wrong encoding.",
            "届く前に文字化けした文があります。",
        ],
        [
            "Save the table again from the original, or leave those pairs out.",
            "元のファイルから保存し直すか、その組を除いてください。",
        ],
    ),
    code(
        "benchmark_overlap",
        &[Finding],
        [
            "Some pairs are in the benchmark too, and would flatter its figures.",
            "ベンチマークと同じ組があり、ベンチマークの数値が実際より良く見えます。",
        ],
        ["Leave those pairs out.", "その組を除いてください。"],
    ),
    code(
        "languages",
        &[Finding],
        ["Which languages the texts are in.", "文の言語の内訳です。"],
        ["Nothing is to be done.", "対応は不要です。"],
    ),
    code(
        "dates_as_scores",
        &[Finding],
        [
            "Some scores are dates: a spreadsheet made them of 4/5 and the like.",
            "4/5 などの点数が、表計算ソフトで日付に変わっています。",
        ],
        ["Have them read as fractions, or type them anew.", "分数として読むか、入力し直してください。"],
    ),
    code(
        "rows_unusable",
        &[Finding],
        ["Some rows cannot be used.", "使えない行があります。"],
        [
            "Correct them, or leave them out with \"on_bad_row\": \"skip\".",
            "直すか、on_bad_row を skip にして除いてください。",
        ],
    ),
    code(
        "concept_repeated",
        &[Row],
        ["The same id has another label in an earlier row.", "同じ ID に、前の行とは別の名称があります。"],
        ["Give each concept an id of its own.", "項目ごとに別の ID を付けてください。"],
    ),
    code(
        "concept_without_label",
        &[Row],
        ["The concept has no label; no pairs are made of it.", "名称のない項目です。組は作られません。"],
        ["Add a label where the concept matters.", "必要なら名称を追加してください。"],
    ),
    code(
        "parents_in_a_circle",
        &[Row],
        [
            "A concept stands below itself; one step of the circle is not used.",
            "上位と下位が循環しています。循環の一か所は使われません。",
        ],
        ["Correct the column of parents.", "上位の列を直してください。"],
    ),
];
