//! What the original's objects have and no answer depends on here yet: checked when it comes in, kept, and given back.

use crate::model::tree::Table;

/// Keys with their values, in the form in which `spec` wrote them: checked, without those that have their default.
/// Most objects have none, and then it costs a pointer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept(Option<Box<Table>>);

impl Kept {
    /// Keeps the entries of a table.
    pub fn new(table: Table) -> Self {
        Self((!table.is_empty()).then(|| Box::new(table.unplaced())))
    }

    /// The entries; none if there is nothing.
    pub fn table(&self) -> Option<&Table> {
        self.0.as_deref()
    }

    /// The same without a text wherever it stands: as an item, as a key with its value, and as a value with its key. A
    /// list that is left empty goes as well.
    #[must_use]
    pub fn without(&self, text: &str) -> Self {
        self.table().map_or_else(Self::default, |table| Self::new(table.without_text(text)))
    }

    /// Whether a text stands in it anywhere, as a key or a value: so are pools named by their ids.
    pub fn mentions(&self, text: &str) -> bool {
        let mut found = false;
        if let Some(table) = self.table() {
            table.texts(&mut |other| found |= other == text);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tree::{Node, Value};

    #[test]
    fn texts_are_found_at_any_depth_as_keys_and_values() {
        let inner = Table::default().with("deep", Node::built(Value::Array(vec![Node::text("value")])));
        let kept = Kept::new(Table::default().with("outer", Node::built(Value::Table(inner))));
        for (text, found) in [("outer", true), ("deep", true), ("value", true), ("valu", false)] {
            assert_eq!(kept.mentions(text), found, "{text}");
        }
        assert!(!Kept::default().mentions("outer"));
        assert_eq!(Kept::new(Table::default()), Kept::default());
    }
}
