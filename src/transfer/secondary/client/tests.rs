//! A primary that misbehaves.
