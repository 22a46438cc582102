//! Every stable code that the API's answers carry: what it means and what to do, in English and Japanese.
//!
//! The API's description lists them and `/docs/errors` shows them. A test finds each code in the sources
//! and compares.

/// Where a code stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `code` of an error's body; the reply's status.
    Reply(u16),
    /// `errors[].code`: a row of a table.
    Row,
    /// `error.code` of a job.
    Job,
    /// `code` of a report's notes and of a job's warnings.
    Note,
    /// `code` of a table's findings.
    Finding,
}

use Place::{Finding, Job, Note, Reply, Row};

/// A code and what is to be known of it: English first, then Japanese.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    pub(crate) code: &'static str,
    pub(crate) places: &'static [Place],
    /// What happened and why.
    pub(crate) meaning: [&'static str; 2],
    /// What to do.
    pub(crate) remedy: [&'static str; 2],
}

const fn code(
    code: &'static str,
    places: &'static [Place],
    meaning: [&'static str; 2],
    remedy: [&'static str; 2],
) -> Code {
    Code { code, places, meaning, remedy }
}

/// The codes of a place, in their order.
pub(crate) fn codes(of: impl Fn(Place) -> bool) -> impl Iterator<Item = &'static Code> {
    CODES.iter().filter(move |code| code.places.iter().any(|place| of(*place)))
}

/// All codes: those of replies by their status, then those of rows, jobs, notes and findings.
pub(crate) const CODES: &[Code] = &[
    code(
        "not_json",
        &[Reply(400)],
        [
            "The body is not JSON; the detail names the line and column.",
            "本文が JSON ではありません。何行何文字目かは detail にあります。",
        ],
        ["Check the quotes, commas and brackets there.", "その位置の引用符、コンマ、かっこを確かめてください。"],
    ),
    code(
        "body_not_readable",
        &[Reply(400)],
        [
            "The body did not arrive whole, or a form is not built as one.",
            "本文が途中で切れているか、フォームの形式になっていません。",
        ],
        ["Send the request again, whole.", "リクエスト全体をもう一度送信してください。"],
    ),
    code(
        "path_not_readable",
        &[Reply(400)],
        ["A part of the path is not UTF-8.", "パスの一部が UTF-8 ではありません。"],
        ["Write the path in UTF-8, percent-encoded.", "パスを UTF-8 でパーセントエンコードしてください。"],
    ),
    code(
        "host_not_allowed",
        &[Reply(403)],
        [
            "The request names another host than this machine, and the server answers this machine alone.",
            "このマシン以外のホスト名が指定されています。サーバーはこのマシンからの要求だけに答えます。",
        ],
        [
            "Call the server as localhost or 127.0.0.1; to serve other machines, see the setting SHAMISEN_ALLOW_ANYONE.",
            "localhost か 127.0.0.1 で呼び出してください。ほかのマシンから使う場合は SHAMISEN_ALLOW_ANYONE の説明をご覧ください。",
        ],
    ),
    code(
        "cross_site",
        &[Reply(403)],
        ["A page of another site tried to change something here.", "ほかのサイトのページから変更しようとしました。"],
        [
            "Call the API from a program, or from the server's own page.",
            "プログラムか、このサーバーのページから呼び出してください。",
        ],
    ),
    code(
        "route_not_found",
        &[Reply(404)],
        ["There is nothing at this path.", "このパスには何もありません。"],
        ["Check the path; the hint lists the routes.", "パスを確かめてください。hint にパスの一覧があります。"],
    ),
    code(
        "model_not_found",
        &[Reply(404)],
        ["No model, alias or name is called so.", "その名前のモデルもエイリアスもありません。"],
        ["GET /models lists the models that there are.", "GET /models でモデルの一覧が得られます。"],
    ),
    code(
        "no_version_before",
        &[Reply(404)],
        ["The table has no older version to compare with.", "比べる前の版がありません。"],
        ["Name a dataset with ?against=ds_...", "?against=ds_... でデータセットを指定してください。"],
    ),
    code(
        "dataset_not_found",
        &[Reply(404)],
        ["No dataset has this id.", "その ID の表はありません。"],
        ["GET /datasets lists the datasets that there are.", "GET /datasets で表の一覧が得られます。"],
    ),
    code(
        "job_not_found",
        &[Reply(404)],
        ["No job has this id.", "その ID のジョブはありません。"],
        ["GET /jobs lists the jobs that there are.", "GET /jobs でジョブの一覧が得られます。"],
    ),
    code(
        "method_not_allowed",
        &[Reply(405)],
        ["This path does not know this method.", "このパスではそのメソッドを使えません。"],
        ["The Allow header lists the methods that are possible.", "使えるメソッドは Allow ヘッダーにあります。"],
    ),
    code(
        "name_taken",
        &[Reply(409)],
        ["A model has this name already.", "その名前はすでにモデルが使っています。"],
        [
            "Choose another name; to let one name follow the newest model, use an alias.",
            "別の名前を選んでください。1 つの名前で常に最新のモデルを使うには、エイリアスを使います。",
        ],
    ),
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
        "job_is_over",
        &[Reply(409)],
        ["The job has ended already.", "ジョブはすでに終わっています。"],
        ["Only a job that is queued or running can be cancelled.", "中止できるのは、待機中か実行中のジョブだけです。"],
    ),
    code(
        "body_too_large",
        &[Reply(413)],
        ["The body is larger than this route reads.", "本文がこのパスの上限より大きいです。"],
        [
            "Send less at once; the settings SHAMISEN_MAX_BODY and SHAMISEN_MAX_UPLOAD are the limits.",
            "小さく分けて送信してください。上限は SHAMISEN_MAX_BODY と SHAMISEN_MAX_UPLOAD です。",
        ],
    ),
    code(
        "too_many_pairs",
        &[Reply(413)],
        [
            "Similarities are told of fewer pairs than the table has.",
            "組の数が、類似度を付けられる上限を超えています。",
        ],
        [
            "Ask without base and tuned, or send a part of the table as a dataset of its own.",
            "base と tuned を付けずに取得するか、表の一部を別のデータセットとして送信してください。",
        ],
    ),
    code(
        "too_many_inputs",
        &[Reply(413)],
        ["There are more texts than one request may have.", "1 回に送れる文の数を超えています。"],
        [
            "Split them; the hint says into how many requests.",
            "分けて送信してください。何回に分けるかは hint にあります。",
        ],
    ),
    code(
        "unsupported_media_type",
        &[Reply(415)],
        ["The body is of another kind than this route reads.", "このパスでは読めない種類の本文です。"],
        ["Send the Content-Type that the hint names.", "hint にある Content-Type で送信してください。"],
    ),
    code(
        "unknown_field",
        &[Reply(422)],
        [
            "A field, parameter or part is not known here; often a slip of the finger.",
            "知らない項目があります。多くは書き間違いです。",
        ],
        [
            "The detail names the nearest known one, the hint all.",
            "いちばん近い名前は detail に、すべての名前は hint にあります。",
        ],
    ),
    code(
        "unknown_value",
        &[Reply(422)],
        ["A field has a value that is none of its few.", "決まった値の中から選ぶ項目に、ほかの値が入っています。"],
        ["The hint lists the possible ones.", "使える値は hint にあります。"],
    ),
    code(
        "missing_field",
        &[Reply(422)],
        ["A field that is needed is missing.", "必要な項目がありません。"],
        ["Add it; `param` names it.", "`param` にある項目を加えてください。"],
    ),
    code(
        "wrong_type",
        &[Reply(422)],
        ["A field has a value of another type.", "項目の値の型が違います。"],
        ["Send a value of the type that the detail names.", "detail にある型の値を送ってください。"],
    ),
    code(
        "form_unclear",
        &[Reply(422)],
        ["The request can be read in more than one way, or in none.", "リクエストの意味が 1 つに決まりません。"],
        ["Send one of the forms that the hint lists.", "hint にある形の 1 つで送信してください。"],
    ),
    code(
        "part_repeated",
        &[Reply(422)],
        ["A form has the same part twice.", "フォームに同じ項目が 2 回あります。"],
        ["Send it once.", "1 回だけ送ってください。"],
    ),
    code(
        "no_inputs",
        &[Reply(422)],
        ["The list of texts or pairs is empty.", "文または組の一覧が空です。"],
        ["Send at least one.", "1 つ以上送ってください。"],
    ),
    code(
        "empty_text",
        &[Reply(422)],
        ["A text is empty or only spaces.", "空の文、または空白だけの文があります。"],
        ["Leave empty texts out.", "空の文を除いてください。"],
    ),
    code(
        "token_ids_not_supported",
        &[Reply(422)],
        ["This server needs text, it got numbers or lists.", "文字列が必要ですが、数値またはリストが届きました。"],
        [
            "Send strings. In LangChain's OpenAIEmbeddings set check_embedding_ctx_length=False.",
            "文字列を送ってください。LangChain の OpenAIEmbeddings では check_embedding_ctx_length=False を指定します。",
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
        "dimensions_out_of_range",
        &[Reply(422)],
        [
            "The model has fewer dimensions than were asked for, or none were.",
            "dimensions がモデルの次元数の範囲にありません。",
        ],
        ["Ask for 1 to the model's dimensions.", "1 からモデルの次元数までの値にしてください。"],
    ),
    code(
        "prompt_not_found",
        &[Reply(422)],
        ["The model has no prompt of this name.", "モデルにその名前のプロンプトはありません。"],
        ["The hint lists the model's prompts.", "モデルのプロンプトは hint にあります。"],
    ),
    code(
        "name_not_usable",
        &[Reply(422)],
        [
            "A name has characters that a name may not have, is too long, or looks like an id.",
            "名前に使えない文字があるか、長すぎるか、ID と紛らわしい形です。",
        ],
        [
            "Use letters and digits of any script, \".\", \"_\" and \"-\", at most 64.",
            "文字、数字、「.」「_」「-」だけで、64 文字以内にしてください。",
        ],
    ),
    code(
        "titles_not_usable",
        &[Reply(422)],
        [
            "The texts for the heatmap are too few, too many, empty or too long.",
            "ヒートマップ用の文が少なすぎる、多すぎる、空、または長すぎます。",
        ],
        [
            "Send 2 to 50 texts, none of them empty or longer than 1000 bytes.",
            "空でない 1000 バイト以内の文を 2〜50 個送ってください。",
        ],
    ),
    code(
        "idempotency_key_not_usable",
        &[Reply(422)],
        [
            "The Idempotency-Key is empty, too long or not ASCII.",
            "Idempotency-Key が空か、長すぎるか、ASCII ではありません。",
        ],
        ["Send 1 to 255 ASCII characters.", "1〜255 文字の ASCII にしてください。"],
    ),
    code(
        "idempotency_key_reused",
        &[Reply(422)],
        [
            "The Idempotency-Key came with another request before.",
            "その Idempotency-Key は別のリクエストで使われています。",
        ],
        [
            "Send a new Idempotency-Key with a new request.",
            "新しいリクエストには新しい Idempotency-Key を付けてください。",
        ],
    ),
    code(
        "dataset_is_benchmark",
        &[Reply(422)],
        [
            "The dataset was uploaded as a benchmark, which is never trained on.",
            "ベンチマークとして登録された表なので、学習には使えません。",
        ],
        [
            "Name a dataset that was uploaded without benchmark=true, and send this one as benchmark_id.",
            "benchmark=true を付けずに登録した表を指定し、この表は benchmark_id で送ってください。",
        ],
    ),
    code(
        "dataset_is_no_benchmark",
        &[Reply(422)],
        [
            "The dataset that should measure general ability is not a benchmark.",
            "一般的な能力を測る表として指定されたものが、ベンチマークではありません。",
        ],
        ["Upload the table with benchmark=true.", "benchmark=true を付けて登録してください。"],
    ),
    code(
        "too_few_pairs",
        &[Reply(422), Finding],
        ["The table has fewer pairs than a training needs.", "学習に必要な数の組がありません。"],
        ["Add pairs; the hint says how many are needed.", "組を増やしてください。必要な数は hint にあります。"],
    ),
    code(
        "job_not_feasible",
        &[Reply(422)],
        [
            "A trial shows that the job would fail; the detail says why.",
            "試してみたところ、このジョブは失敗します。理由は detail にあります。",
        ],
        ["Do what the hint says, then ask again.", "hint のとおりに直して、もう一度お試しください。"],
    ),
    code(
        "config_not_usable",
        &[Reply(422), Job],
        [
            "A setting of the training has no meaning, or lies out of its range.",
            "学習の設定に、意味のない値か範囲外の値があります。",
        ],
        ["Correct this setting and post the job again.", "その設定を直して、ジョブをもう一度送信してください。"],
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
        "alias_not_found",
        &[Reply(404)],
        ["No alias has this name.", "その名前のエイリアスはありません。"],
        ["GET /aliases lists the aliases that there are.", "GET /aliases でエイリアスの一覧が得られます。"],
    ),
    code(
        "nothing_before",
        &[Reply(409)],
        [
            "The alias meant no other model before that is still there.",
            "エイリアスが以前に指していたモデルは残っていません。",
        ],
        ["PUT /aliases/{name} points it at a model of your choice.", "PUT /aliases/{name} で好きなモデルを指せます。"],
    ),
    code(
        "alias_is_needed",
        &[Reply(409)],
        [
            "Requests without a model use the alias \"default\".",
            "モデルを指定しない要求は、エイリアス「default」を使います。",
        ],
        ["Point it at another model with PUT /aliases/default.", "PUT /aliases/default で別のモデルを指してください。"],
    ),
    code(
        "model_is_base",
        &[Reply(409)],
        [
            "A base model cannot be deleted here; only tuned ones can.",
            "元のモデルはここでは削除できません。削除できるのは学習したモデルだけです。",
        ],
        [
            "Stop the server and remove its folder from models/ in the data folder.",
            "サーバーを止めて、データフォルダーの models/ から削除してください。",
        ],
    ),
    code(
        "model_has_alias",
        &[Reply(409)],
        ["An alias means this model.", "このモデルを指すエイリアスがあります。"],
        [
            "Point the alias at another model first, or delete it.",
            "先にエイリアスを別のモデルに向けるか、削除してください。",
        ],
    ),
    code(
        "model_in_use",
        &[Reply(409)],
        ["A job that is not over begins with this model.", "終わっていないジョブがこのモデルから学習します。"],
        ["Wait for the job, or cancel it.", "ジョブの終わりを待つか、中止してください。"],
    ),
    code(
        "model_pinned",
        &[Reply(409)],
        ["The model is pinned: it is to stay in memory.", "モデルはメモリーに固定されています。"],
        ["DELETE /models/{model}/pin first.", "先に DELETE /models/{model}/pin を呼び出してください。"],
    ),
    code(
        "base_in_use",
        &[Reply(409)],
        [
            "Tuned models in memory share this model's weights.",
            "メモリーにある学習済みモデルが、このモデルの重みを共有しています。",
        ],
        ["Unload those first.", "先にそれらをメモリーから外してください。"],
    ),
    code(
        "fingerprint_mismatch",
        &[Reply(412)],
        [
            "Another model would answer than the one whose fingerprint is expected.",
            "期待された指紋と違うモデルが答えることになります。",
        ],
        [
            "Name the model that made the stored vectors, or make those anew.",
            "保存したベクトルを作ったモデルを指定するか、ベクトルを作り直してください。",
        ],
    ),
    code(
        "alias_missing",
        &[Reply(422)],
        [
            "\"alias_if\" says when an alias moves, and there is no alias.",
            "「alias_if」はエイリアスの動く条件ですが、エイリアスがありません。",
        ],
        ["Send \"alias\" too, or leave \"alias_if\" out.", "「alias」も送るか、「alias_if」を外してください。"],
    ),
    code(
        "models_not_usable",
        &[Reply(422)],
        ["Too few or too many models are named.", "指定されたモデルが少なすぎるか、多すぎます。"],
        [
            "Send \"models\": [\"base\", \"the tuned model\"].",
            "\"models\": [\"base\", \"学習したモデル\"] の形で送ってください。",
        ],
    ),
    code(
        "base_unclear",
        &[Reply(422)],
        ["\"base\" could be more than one model.", "「base」にあたるモデルが複数あります。"],
        ["Name the base by its id.", "元のモデルを ID で指定してください。"],
    ),
    code(
        "k_out_of_range",
        &[Reply(422)],
        ["Too many neighbours were asked for, or none.", "求める近傍の数が範囲の外です。"],
        ["The hint says how many are possible.", "可能な数は hint にあります。"],
    ),
    code(
        "dataset_missing",
        &[Reply(422)],
        [
            "No job made this model, so there is no table that it learned from.",
            "ジョブから作られたモデルではないため、学習に使った表がありません。",
        ],
        ["Name the table to search.", "探す表を指定してください。"],
    ),
    code(
        "nothing_to_compare",
        &[Reply(422)],
        ["A model would be compared with itself.", "同じモデルどうしを比べようとしています。"],
        [
            "Name a tuned model as \"tuned\", or another model as \"base\".",
            "「tuned」に学習したモデルを、または「base」に別のモデルを指定してください。",
        ],
    ),
    code(
        "texts_not_usable",
        &[Reply(422)],
        ["Too few or too many texts are to be compared.", "比べる文が少なすぎるか、多すぎます。"],
        ["The hint says how many are possible.", "可能な数は hint にあります。"],
    ),
    code(
        "self_check_failed",
        &[Reply(500)],
        [
            "The model does not say what it said when it was made: its files are damaged or not its own.",
            "モデルが、作られたときと違う答えを出します。ファイルが壊れているか、別のモデルのものです。",
        ],
        [
            "Use another model, or restore its folder from a backup.",
            "別のモデルを使うか、フォルダーをバックアップから戻してください。",
        ],
    ),
    code(
        "not_finite",
        &[Reply(500)],
        [
            "The model's vector of a text has numbers that are not finite.",
            "モデルのベクトルに、有限でない数が含まれています。",
        ],
        [
            "Use another model, or send \"on_error\": \"null\" to have the other texts answered.",
            "別のモデルを使うか、\"on_error\": \"null\" を付けてほかの文の答えだけを得てください。",
        ],
    ),
    code(
        "base_not_loaded",
        &[Reply(503)],
        ["The model's base cannot be loaded now.", "いまは元のモデルを読み込めません。"],
        ["Try again after the seconds in Retry-After.", "Retry-After の秒数だけ待って、もう一度お試しください。"],
    ),
    code(
        "model_files_not_readable",
        &[Reply(503)],
        ["The model's files cannot be read now.", "いまはモデルのファイルを読み込めません。"],
        [
            "Try again after the seconds in Retry-After; the server's log names the file.",
            "Retry-After の秒数だけ待ってください。ファイル名はサーバーのログにあります。",
        ],
    ),
    code(
        "not_a_win",
        &[Note],
        [
            "The alias was to move only with a win, and the verdict is none.",
            "改善が確かめられなかったため、エイリアスは動きませんでした。",
        ],
        ["PUT /aliases/{name} moves it all the same.", "PUT /aliases/{name} を使えば動かせます。"],
    ),
    code(
        "moved",
        &[Note],
        ["The alias means the job's model now.", "エイリアスはこのジョブのモデルを指しています。"],
        ["Nothing.", "何もする必要はありません。"],
    ),
    code(
        "line_not_json",
        &[Row],
        ["A line of a JSON Lines file is not JSON.", "JSON Lines のファイルに、JSON ではない行があります。"],
        ["Put one JSON object in each line.", "1 行に 1 つの JSON オブジェクトを書いてください。"],
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
        "not_supported",
        &[Reply(422)],
        [
            "A field or value of OpenAI's API that this server cannot honour.",
            "OpenAI の API の項目または値で、このサーバーでは使えないものです。",
        ],
        [
            "Leave it out; the hint says what there is instead.",
            "その項目を外してください。代わりになるものは hint にあります。",
        ],
    ),
    code(
        "metadata_too_large",
        &[Reply(422)],
        ["The metadata have too many pairs, or one that is too long.", "metadata の項目が多すぎるか、長すぎます。"],
        [
            "Send fewer or shorter ones; the hint says how many.",
            "数または長さを減らしてください。上限は hint にあります。",
        ],
    ),
    code(
        "validation_file_is_training_file",
        &[Reply(422)],
        ["A model cannot be measured with what it learns from.", "学習に使う表で測定することはできません。"],
        [
            "Send another file as validation_file, or none.",
            "validation_file には別のファイルを指定するか、指定しないでください。",
        ],
    ),
    code(
        "cursor_not_usable",
        &[Reply(422)],
        [
            "The list cannot be continued there: no entry of it has this id.",
            "その ID の項目が一覧にないため、続きを返せません。",
        ],
        ["Send the id of the last entry of the page before.", "前のページの最後の項目の ID を送ってください。"],
    ),
    code(
        "key_missing",
        &[Reply(401)],
        [
            "The server asks for an API key, and the request has none.",
            "サーバーは API キーを求めていますが、要求にありません。",
        ],
        ["Send the header Authorization: Bearer sk_...", "Authorization: Bearer sk_.. のヘッダーを付けてください。"],
    ),
    code(
        "key_not_valid",
        &[Reply(401)],
        ["The API key is none of this server's.", "この API キーは、このサーバーのものではありません。"],
        [
            "Look for a part that is missing; shamisen key list names the keys.",
            "欠けた部分がないか確かめてください。キーの一覧は shamisen key list で得られます。",
        ],
    ),
    code(
        "key_expired",
        &[Reply(401)],
        ["The API key has expired.", "API キーの期限が切れています。"],
        ["Make another with shamisen key create.", "shamisen key create で新しいキーを作ってください。"],
    ),
    code(
        "key_revoked",
        &[Reply(401)],
        ["The API key was revoked.", "API キーは取り消されています。"],
        ["Make another with shamisen key create.", "shamisen key create で新しいキーを作ってください。"],
    ),
    code(
        "scope_missing",
        &[Reply(403)],
        ["The key may do other things, and not this.", "このキーには、この操作の権限がありません。"],
        ["Use a key with the scope that the hint names.", "hint にある権限を持つキーを使ってください。"],
    ),
    code(
        "key_not_found",
        &[Reply(404)],
        ["No key has this id.", "その ID のキーはありません。"],
        ["GET /keys lists the keys that there are.", "GET /keys でキーの一覧が得られます。"],
    ),
    code(
        "scopes_missing",
        &[Reply(422)],
        ["A key without scopes opens nothing.", "権限のないキーでは何もできません。"],
        [
            "Give at least one of embed, train, metrics, admin.",
            "embed、train、metrics、admin のうち少なくとも 1 つを指定してください。",
        ],
    ),
    code(
        "expires_not_usable",
        &[Reply(422)],
        ["This is no length of time.", "期間として読めません。"],
        [
            "Write days, hours or minutes, as in 90d, 12h, 30m.",
            "90d、12h、30m のように、日、時間、分で書いてください。",
        ],
    ),
    code(
        "loading",
        &[Reply(503)],
        [
            "The server has started and still loads its models.",
            "サーバーは起動したばかりで、モデルを読み込んでいます。",
        ],
        ["Try again after the seconds in Retry-After.", "Retry-After の秒数だけ待って、もう一度お試しください。"],
    ),
    code(
        "inference_stuck",
        &[Reply(503)],
        [
            "A short text did not come through the inference threads in time.",
            "短い文の推論が時間内に終わりませんでした。",
        ],
        ["Start the server again if it stays so.", "続くようであれば、サーバーを再起動してください。"],
    ),
    code(
        "deadline",
        &[Reply(503)],
        ["The answer took longer than the server waits.", "答えが制限時間に間に合いませんでした。"],
        ["Send fewer texts, or try again later.", "文を減らすか、しばらくしてからお試しください。"],
    ),
    code(
        "body_too_slow",
        &[Reply(408)],
        ["The body came too slowly.", "本文の送信が遅すぎました。"],
        [
            "Send it again over a faster connection, or in smaller parts.",
            "より速い回線で送り直すか、小さく分けてください。",
        ],
    ),
    code(
        "too_many_connections",
        &[Reply(503)],
        ["Too many connections are open.", "接続が多すぎます。"],
        [
            "Close those that are not used, or use one for many requests.",
            "使わない接続を閉じるか、1 つの接続を使い回してください。",
        ],
    ),
    code(
        "internal",
        &[Reply(500)],
        [
            "Something failed in the server; the request was not at fault.",
            "サーバーの内部で問題が起きました。リクエストに問題はありません。",
        ],
        [
            "Try again. If it stays, the server's log has the details under the request_id.",
            "もう一度お試しください。続く場合は、サーバーのログに request_id と詳細があります。",
        ],
    ),
    code(
        "model_broken",
        &[Reply(500)],
        [
            "The model is registered but its files cannot be loaded.",
            "モデルは登録されていますが、ファイルを読み込めません。",
        ],
        [
            "Use another model; the server's log has the details.",
            "別のモデルを使ってください。詳細はサーバーのログにあります。",
        ],
    ),
    code(
        "overloaded",
        &[Reply(503)],
        ["More texts are waiting than the server lets wait.", "待っている文が多すぎます。"],
        ["Try again after the seconds in Retry-After.", "Retry-After の秒数だけ待って、もう一度お試しください。"],
    ),
    code(
        "stopping",
        &[Reply(503)],
        ["The server is stopping.", "サーバーを停止しています。"],
        ["Try again when it is back.", "起動してから、もう一度お試しください。"],
    ),
    code(
        "exports_busy",
        &[Reply(503)],
        ["As many exports as may be at once are being made and sent.", "同時に書き出せる数に達しています。"],
        ["Try again when one of them is over.", "どれかが終わってから、もう一度お試しください。"],
    ),
    code(
        "disk_full",
        &[Reply(507), Job],
        ["The server's disk is full. Nothing was saved.", "サーバーのディスクがいっぱいです。何も保存していません。"],
        [
            "Make room on the disk that holds the server's data folder, then try again.",
            "サーバーのデータフォルダーがあるディスクを空けて、もう一度お試しください。",
        ],
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
        "loss_not_finite",
        &[Job],
        [
            "The training left the range of numbers: the loss is no longer a number.",
            "損失が数値でなくなったため、学習を続けられませんでした。",
        ],
        [
            "Run the job again with a smaller learning_rate, such as 1e-5.",
            "1e-5 のような小さい learning_rate で、もう一度お試しください。",
        ],
    ),
    code(
        "dataset_not_usable",
        &[Job],
        ["The stored table can no longer be read as one.", "保存した表を読み取れませんでした。"],
        [
            "Correct the table, upload it again, and post the job with the new dataset.",
            "表を直して登録し直し、新しい表でジョブを送信してください。",
        ],
    ),
    code(
        "checkpoint_not_usable",
        &[Job, Note],
        ["A saved state of the run was damaged and put aside.", "保存した途中経過が壊れていたため、使いませんでした。"],
        [
            "As a note, nothing: an earlier one is used. As an error, post the job again; it then starts from its first step.",
            "注記の場合は何もする必要はありません（前の途中経過を使います）。エラーの場合はジョブをもう一度送信してください。最初から始まります。",
        ],
    ),
    code(
        "interrupted",
        &[Job],
        ["The server stopped listening to the trainer.", "サーバーが止まったため、中断しました。"],
        ["The job goes on by itself when the server is back.", "サーバーが戻ると自動で再開します。"],
    ),
    code(
        "file_not_readable",
        &[Job],
        ["A file that the job needs cannot be read or written.", "ジョブに必要なファイルを読み書きできませんでした。"],
        [
            "The server's log names the file; check the server's data folder.",
            "ファイル名はサーバーのログにあります。サーバーのデータフォルダーを確かめてください。",
        ],
    ),
    code(
        "training_failed",
        &[Job],
        ["libtorch could not do a step of the training.", "libtorch が学習の計算を続けられませんでした。"],
        [
            "Post the job again with a smaller batch_size; the server's log has the details.",
            "batch_size を小さくして、もう一度お試しください。詳細はサーバーのログにあります。",
        ],
    ),
    code(
        "crash_loop",
        &[Job],
        ["The training process died several times.", "学習のプロセスが何度も異常終了しました。"],
        [
            "Often memory: post the job again with a smaller batch_size.",
            "多くはメモリー不足です。batch_size を小さくして、もう一度お試しください。",
        ],
    ),
    code(
        "no_benchmark",
        &[Note],
        [
            "General ability was not measured with a benchmark: none was given.",
            "ベンチマークの表が指定されていないため、一般的な能力はベンチマークで測定していません。",
        ],
        [
            "Upload one with benchmark=true and name it as benchmark_id.",
            "benchmark=true で登録し、benchmark_id で指定してください。",
        ],
    ),
    code(
        "judged_by_strangers",
        &[Note],
        [
            "The table has no scores: each validation pair is judged beside a pair of texts from different rows.",
            "表にスコアがないため、検証用の各組を、別々の行から取った文の組と比べて評価します。",
        ],
        [
            "Nothing; a table with scores says more.",
            "何もする必要はありません。スコアのある表のほうが詳しく分かります。",
        ],
    ),
    code(
        "lowest_score_not_said",
        &[Note],
        [
            "Nobody said what the table's lowest score means: unrelated, or opposite. The loss took the scores as similarities on its own measure.",
            "表のいちばん低いスコアが「無関係」と「正反対」のどちらを表すかが指定されていません。スコアは損失関数の尺度の類似度として扱われました。",
        ],
        ["Send the table again with \"lowest_means\".", "lowest_means を付けて表をもう一度送信してください。"],
    ),
    code(
        "scores_below_unrelated",
        &[Note],
        [
            "Some scores are below 0.25, where 0.5 means unrelated and 0 opposite.",
            "0.25 より低いスコアがあります。ここでは 0.5 が無関係、0 が正反対を表します。",
        ],
        [
            "If 0 means unrelated in your table, choose the loss \"cosine_mse\".",
            "表の 0 が「無関係」の意味なら、損失関数 cosine_mse を選んでください。",
        ],
    ),
    code(
        "one_validation_score",
        &[Note],
        [
            "All validation rows have the same score, so that a correlation cannot be measured.",
            "検証用の行のスコアがすべて同じで、相関を測定できません。",
        ],
        ["Set \"split\" to \"random\" or \"grouped\".", "split を random か grouped にしてください。"],
    ),
    code(
        "validation_leaks",
        &[Note],
        [
            "Some validation rows share a text with the training rows, so the numbers on them flatter the model.",
            "検証用の行の一部に学習に使った文が含まれているため、数値は実際より良く見えます。",
        ],
        ["Set \"split\" to \"grouped\".", "split を grouped にしてください。"],
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
];
