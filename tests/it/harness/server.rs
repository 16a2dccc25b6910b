//! The real program, in a folder of its own, with a control socket and captured logs.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use pooldns::api::client::{self, ClientError};
use pooldns::api::status::{OriginStatus, PoolStatus, Status};

use super::client::Dns;
use super::tls::AUTHORITY;
use super::{wait, wait_some};

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pooldns");

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about.
    pub(crate) stderr: String,
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |octets| String::from_utf8(octets).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// What a server is started with besides its objects.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Lines of `[server]`.
    pub(crate) server: String,
    /// Lines of `[health]`.
    pub(crate) health: String,
    /// Lines of `[tcp]`.
    pub(crate) tcp: String,
    /// Where to listen.
    pub(crate) listen: Vec<String>,
    /// A capability that it is started without, as `setpriv` calls it.
    pub(crate) without: Option<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        let listen = vec!["127.0.0.1:0".to_owned()];
        Self { server: String::new(), health: String::new(), tcp: String::new(), listen, without: None }
    }
}

/// A server that runs; it is killed when this is dropped.
pub(crate) struct TestServer {
    /// Its folder.
    pub(crate) folder: tempfile::TempDir,
    /// Where it listens.
    pub(crate) addresses: Vec<SocketAddr>,
    options: Options,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    /// Starts with these objects and waits until every live name answers.
    #[track_caller]
    pub(crate) fn start(objects: &str) -> Self {
        let server = Self::start_with(objects, Options::default());
        server.wait_ready();
        server
    }

    /// Starts with options and waits until it listens.
    #[track_caller]
    pub(crate) fn start_with(objects: &str, options: Options) -> Self {
        let folder = tempfile::Builder::new().prefix("pooldns").tempdir().unwrap();
        write_config(folder.path(), objects, &options);
        std::fs::write(folder.path().join("authority.pem"), &AUTHORITY.pem).unwrap();
        let log = Arc::default();
        let child = serve(folder.path(), &options, &log);
        let mut server = Self { folder, addresses: Vec::new(), options, child, log };
        server.wait_listening();
        server
    }

    /// Starts it again in its folder, once it has ended.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.child = serve(self.folder.path(), &self.options, &self.log);
        self.wait_listening();
    }

    /// Waits until it listens.
    #[track_caller]
    fn wait_listening(&mut self) {
        self.addresses = wait_some("the server's status", || {
            if let Some(ended) = self.child.try_wait().unwrap() {
                panic!("the server ended with {ended}: {}", self.log().join("\n"));
            }
            self.try_status().map(|status| status.listen)
        });
    }

    /// Waits until every live name answers.
    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        wait("ready", || self.status().ready);
    }

    /// A client of its first address.
    pub(crate) fn dns(&self) -> Dns {
        Dns(self.addresses[0])
    }

    /// Where it offers its API.
    #[track_caller]
    pub(crate) fn api(&self) -> SocketAddr {
        self.status().api[0]
    }

    /// Makes a token; `options` are those of the command.
    #[track_caller]
    pub(crate) fn token(&self, name: &str, options: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.args(["token", "create", name]).args(options).arg("--config").arg(self.config());
        let ran = run(&mut command);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout.trim().to_owned()
    }

    /// Revokes a token.
    #[track_caller]
    pub(crate) fn revoke(&self, name: &str) {
        let mut command = Command::new(PROGRAM);
        command.args(["token", "revoke", name]).arg("--config").arg(self.config());
        let ran = run(&mut command);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("pooldns.toml")
    }

    /// Its control socket.
    pub(crate) fn control(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Replaces its configuration file at once, as a careful editor does.
    pub(crate) fn edit(&self, objects: &str) {
        write_config(self.folder.path(), objects, &self.options);
    }

    /// Replaces its configuration file by one with other options.
    pub(crate) fn edit_with(&self, objects: &str, options: &Options) {
        write_config(self.folder.path(), objects, options);
    }

    /// Runs another command of the program for this server.
    #[track_caller]
    pub(crate) fn command(&self, name: &str) -> Ran {
        run(&mut command(self.folder.path(), name))
    }

    /// Takes these objects in.
    #[track_caller]
    pub(crate) fn reload(&self, objects: &str) {
        self.edit(objects);
        let ran = self.command("reload");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        // Generations count commits; what is committed is live soon.
        let generation: u64 = ran.stdout.split_whitespace().nth(2).unwrap().parse().unwrap();
        wait("the new generation", || self.status().generation >= generation);
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let ran = run(Command::new("kill").args(["-s", name, &self.pid().to_string()]));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn wait_end(&mut self) -> ExitStatus {
        wait_some("the server's end", || self.child.try_wait().unwrap())
    }

    /// Its status, if it answers.
    pub(crate) fn try_status(&self) -> Option<Status> {
        Self::ask(client::status(&self.control()))
    }

    /// Its metrics.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        Self::ask(client::metrics(&self.control())).expect("a server that tells its metrics")
    }

    /// What it waits for, if it is not ready.
    #[track_caller]
    pub(crate) fn waits_for(&self) -> Option<String> {
        Self::ask(client::readiness(&self.control())).expect("a server that says whether it is ready").err()
    }

    /// Waits for an answer on the control socket.
    fn ask<T>(answer: impl Future<Output = Result<T, ClientError>>) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(answer).ok()
    }

    /// Its status.
    #[track_caller]
    pub(crate) fn status(&self) -> Status {
        self.try_status().expect("a server that answers on its control socket")
    }

    /// A pool.
    #[track_caller]
    pub(crate) fn pool(&self, name: &str) -> PoolStatus {
        self.status().pools.into_iter().find(|pool| pool.name == name).expect("a pool of this name")
    }

    /// An origin of a pool.
    #[track_caller]
    pub(crate) fn origin(&self, pool: &str, index: usize) -> OriginStatus {
        self.pool(pool).origins.swap_remove(index)
    }

    /// What a load balancer answers from.
    #[track_caller]
    pub(crate) fn condition(&self, name: &str) -> String {
        let load_balancers = self.status().load_balancers;
        load_balancers.into_iter().find(|lb| lb.name.trim_end_matches('.') == name).expect("a load balancer").condition
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let ended = self.child.try_wait().ok().flatten();
        if let Some(signal) = ended.and_then(|status| status.signal()) {
            eprintln!("the server was killed by signal {signal}");
        }
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log().join("\n"));
        }
    }
}

/// Starts the program in a folder; what it logs goes to `log`.
fn serve(folder: &Path, options: &Options, log: &Arc<Mutex<Vec<String>>>) -> Child {
    let mut serve = match options.without {
        Some(capability) => without(capability, &command(folder, "serve")),
        None => command(folder, "serve"),
    };
    let mut child = serve.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let lines = Arc::clone(log);
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    });
    child
}

/// The same command, for a process that never gets a capability.
fn without(capability: &str, command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args([format!("--bounding-set=-{capability}"), format!("--inh-caps=-{capability}")]);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}

/// A command of the program, for the configuration in a folder.
pub(crate) fn command(folder: &Path, name: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg(name).arg("--config").arg(folder.join("pooldns.toml")).env_remove("NOTIFY_SOCKET");
    command.env("SSL_CERT_FILE", folder.join("authority.pem")).env_remove("SSL_CERT_DIR");
    command
}

/// Writes a configuration beside its place and renames it, so that nobody reads half of it.
pub(crate) fn write_config(folder: &Path, objects: &str, options: &Options) {
    let Options { server, health, tcp, listen, without: _ } = options;
    // Nothing is left outside of the folder.
    let store = if objects.contains("[store]") { "" } else { "[store]\npath = \"store\"\n" };
    let text = format!(
        "version = 1\n[server]\nlisten = {listen:?}\ncontrol = \"control.sock\"\nthreads = 2\n{server}\n[tcp]\n{tcp}\n\
         [health]\n{health}\n[log]\nformat = \"json\"\n{store}{objects}"
    );
    let new = folder.join("pooldns.toml.new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, folder.join("pooldns.toml")).unwrap();
}
