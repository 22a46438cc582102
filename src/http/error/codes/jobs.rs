//! Codes of jobs that failed, and of notes in reports.

use super::Place::{Job, Note};
use super::{Code, code};

pub(super) const CODES: &[Code] = &[
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
];
