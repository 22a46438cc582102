//! Codes of requests: what cannot be read, found, or done now.

use super::Place::{Job, Reply};
use super::{Code, code};

pub(super) const CODES: &[Code] = &[
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
        "scope_missing",
        &[Reply(403)],
        ["The key may do other things, and not this.", "このキーには、この操作の権限がありません。"],
        ["Use a key with the scope that the hint names.", "hint にある権限を持つキーを使ってください。"],
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
        "alias_not_found",
        &[Reply(404)],
        ["No alias has this name.", "その名前のエイリアスはありません。"],
        ["GET /aliases lists the aliases that there are.", "GET /aliases でエイリアスの一覧が得られます。"],
    ),
    code(
        "key_not_found",
        &[Reply(404)],
        ["No key has this id.", "その ID のキーはありません。"],
        ["GET /keys lists the keys that there are.", "GET /keys でキーの一覧が得られます。"],
    ),
    code(
        "method_not_allowed",
        &[Reply(405)],
        ["This path does not know this method.", "このパスではそのメソッドを使えません。"],
        ["The Allow header lists the methods that are possible.", "使えるメソッドは Allow ヘッダーにあります。"],
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
        "name_taken",
        &[Reply(409)],
        ["A model has this name already.", "その名前はすでにモデルが使っています。"],
        [
            "Choose another name; to let one name follow the newest model, use an alias.",
            "別の名前を選んでください。1 つの名前で常に最新のモデルを使うには、エイリアスを使います。",
        ],
    ),
    code(
        "job_is_over",
        &[Reply(409)],
        ["The job has ended already.", "ジョブはすでに終わっています。"],
        ["Only a job that is queued or running can be cancelled.", "中止できるのは、待機中か実行中のジョブだけです。"],
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
        "too_many_connections",
        &[Reply(503)],
        ["Too many connections are open.", "接続が多すぎます。"],
        [
            "Close those that are not used, or use one for many requests.",
            "使わない接続を閉じるか、1 つの接続を使い回してください。",
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
];
