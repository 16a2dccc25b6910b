//! The whole server in this process.

use crate::config::LoadContext;
use std::path::Path;

use tokio::time::timeout;

use super::*;

/// A server of a folder's configuration, whose `www` is answered by `pool` and so are many other names.
async fn start_in(folder: &Path, pool: &str) -> RunningApp {
    let file = write(folder, pool);
    let source = ConfigSource::File(file);
    start(source.load(LoadContext::default()).unwrap(), source).await.unwrap()
}

/// Writes a configuration whose names are all answered by one pool of this name.
fn write(folder: &Path, pool: &str) -> std::path::PathBuf {
    use std::fmt::Write as _;

    let mut text = format!(
        "version = 1\nserver = {{ listen = ['127.0.0.1:0'], control = 'control.sock', threads = 1 }}\nstore = {{ path = 'store' }}\n\
         [[zones]]\nname = 'example.com'\nrecords = ['@ SOA ns1 h 1 2 3 4 5', '@ NS ns1']\n\
         [[pools]]\nname = '{pool}'\norigins = [{{ name = 'o', address = '192.0.2.1' }}]\n"
    );
    for number in 0..1000 {
        let head = format!("[[load_balancers]]\nname = 'n{number}.example.com'\nttl = {number}");
        writeln!(text, "{head}\ndefault_pools = ['{pool}']\nfallback_pool = '{pool}'").unwrap();
    }
    let file = folder.join("pooldns.toml");
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn what_a_reload_says_is_done_is_live() {
    let folder = tempfile::tempdir().unwrap();
    let app = start_in(folder.path(), "one").await;
    for pool in ["two", "three", "four"] {
        write(folder.path(), pool);
        let Reload::Done { generation, .. } = app.reload().await else { panic!("it is refused") };
        assert_eq!(app.status().generation, generation);
    }
    app.shutdown().await;
}

#[tokio::test]
async fn a_server_that_is_dropped_ends_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    drop(start_in(folder.path(), "one").await);
}

#[tokio::test]
async fn a_server_whose_essential_task_panics_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = start_in(folder.path(), "one").await;
    let is_running = timeout(Duration::from_millis(100), app.failed()).await.is_err();
    assert!(is_running);
    spawn_essential(&mut app.tasks, &app.ended, async { panic!("as it should") });
    timeout(Duration::from_secs(10), app.failed()).await.expect("it says so");
    app.shutdown().await;
}
