//! Programs of others that a machine may lack.

use std::process::Command;

/// Whether a program is there. If not: a note, or a failure where `POOLDNS_REQUIRE_TOOLS=1` says that it must be.
pub(crate) fn installed(program: &str) -> bool {
    let there = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    if there.is_ok_and(|output| output.status.success()) {
        return true;
    }
    required(&format!("{program} is not installed"));
    false
}

/// Says what is not there, which is a failure where `POOLDNS_REQUIRE_TOOLS=1` says that it must be.
pub(crate) fn required(why: &str) {
    let required = std::env::var_os("POOLDNS_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "{why}, and POOLDNS_REQUIRE_TOOLS=1 requires it");
    skipped(why);
}

/// Says what is not tested here, and why.
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
