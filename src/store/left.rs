//! What a deletion leaves.

/// What still holds a part of something that was deleted: ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Of the same bytes, of the same family, made of it; a job's or a model's own.
    pub datasets: Vec<String>,
    /// Finished ones.
    pub jobs: Vec<String>,
    pub models: Vec<String>,
}
