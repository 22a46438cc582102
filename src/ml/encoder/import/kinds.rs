//! What a transformer's checkpoint holds, kind by kind.

/// A kind of transformer, as `transformers` names it.
pub(super) struct Kind {
    /// `model_type` in `config.json`.
    pub(super) model_type: &'static str,
    /// The first parts of the base model's tensor names.
    pub(super) roots: &'static [&'static str],
    /// The vocabulary's table.
    pub(super) word_embeddings: &'static str,
}

const WORDS: &str = "embeddings.word_embeddings.weight";
const BERT: &[&str] = &["embeddings", "encoder", "pooler"];

/// Every kind that can be imported.
pub(super) const KINDS: &[Kind] = &[
    Kind { model_type: "bert", roots: BERT, word_embeddings: WORDS },
    Kind { model_type: "roberta", roots: BERT, word_embeddings: WORDS },
    Kind { model_type: "xlm-roberta", roots: BERT, word_embeddings: WORDS },
    Kind { model_type: "camembert", roots: BERT, word_embeddings: WORDS },
    Kind { model_type: "mpnet", roots: BERT, word_embeddings: WORDS },
    Kind { model_type: "distilbert", roots: &["embeddings", "transformer"], word_embeddings: WORDS },
    Kind {
        model_type: "modernbert",
        roots: &["embeddings", "layers", "final_norm"],
        word_embeddings: "embeddings.tok_embeddings.weight",
    },
];

/// The kind of a `model_type`.
pub(super) fn kind(model_type: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.model_type == model_type)
}
