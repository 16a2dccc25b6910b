//! Tests of bad configurations: every class of fault with its exact place.

use crate::config::load_text;
