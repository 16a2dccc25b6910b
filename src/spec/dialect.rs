//! The two languages of documents, and where they are read differently.

/// The language of a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dialect {
    /// People write it: what is not known is a mistake.
    #[default]
    Toml,
    /// Programs write it, most of them for the original: they send back what they got, and what they do not set is often
    /// there and empty. What is not known is only told.
    Json,
}
