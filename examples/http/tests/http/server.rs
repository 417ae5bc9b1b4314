//! The program under test as a process: started, watched, counted, killed.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A hang is a failure.
const WATCHDOG: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) runtime: &'static str,
    /// Where it listens.
    pub(crate) path: PathBuf,
    child: Arc<Mutex<Child>>,
    pid: u32,
    folder: TempDir,
    /// Held open, as a terminal would be.
    _told: BufReader<ChildStdout>,
}

/// Starts a server for one case. A case that hangs finds its server killed, and so fails by itself.
pub(crate) fn with(name: &str, runtime: &'static str, case: impl FnOnce(&Server)) {
    let server = Server::start(runtime, None);
    let (done, watched) = mpsc::channel::<()>();
    let (name, child) = (name.to_owned(), Arc::clone(&server.child));
    let watchdog = thread::spawn(move || {
        if watched.recv_timeout(WATCHDOG) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs: its server is killed");
            _ = child.lock().unwrap().kill();
        }
    });
    case(&server);
    drop(done);
    watchdog.join().unwrap();
}

impl Server {
    /// It may have that many descriptors, where that is said.
    pub(crate) fn start(runtime: &'static str, limit: Option<usize>) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("socket");
        let limit = limit.map_or(String::new(), |limit| format!("ulimit -n {limit};"));
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit} exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_flow-http"))
            .arg(&path)
            .args(["--runtime", runtime])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("errors")).unwrap())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let pid = child.id();
        // From here on it is killed whatever happens.
        let child = Arc::new(Mutex::new(child));
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        let server = Self {
            runtime,
            path,
            child,
            pid,
            folder,
            _told: told,
        };
        let listening = format!("listening on {} with {runtime}\n", server.path.display());
        assert_eq!(line, listening, "{}", server.errors());
        server
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        stream
    }

    /// What it has printed to its standard error.
    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("errors")).unwrap()
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid))
            .expect("the server lives")
            .count()
    }

    /// The most memory that it has had at once, in KiB.
    pub(crate) fn peak_memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number.expect("a line with the peak").parse().unwrap()
    }

    /// Waits until it has so many descriptors.
    pub(crate) fn comes_to(&self, descriptors: usize, when: &str) {
        self.waits_for(|| {
            let now = self.descriptors();
            (now != descriptors).then(|| format!("{when}: {now} descriptors, not {descriptors}"))
        });
    }

    /// Waits until there is nothing to be said against it any more.
    pub(crate) fn waits_for(&self, objection: impl Fn() -> Option<String>) {
        let begun = Instant::now();
        while let Some(why) = objection() {
            assert!(begun.elapsed() < WATCHDOG / 2, "{why}\n{}", self.errors());
            thread::yield_now();
        }
    }

    /// A connection that stays, for asking whether all is well.
    pub(crate) fn client(&self) -> Client<'_> {
        Client {
            server: self,
            stream: BufReader::new(self.connect()),
            asked: 0,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        _ = child.kill();
        _ = child.wait();
        if thread::panicking() {
            eprint!("{}", self.errors());
        }
    }
}

pub(crate) struct Client<'s> {
    server: &'s Server,
    stream: BufReader<UnixStream>,
    asked: usize,
}

impl Client<'_> {
    /// Asks for the greeting, and says as which connection it was greeted.
    pub(crate) fn greeted(&mut self) -> u64 {
        let stream = self.stream.get_mut();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: flow\r\n\r\n")
            .unwrap();
        let mut len = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            assert!(line.ends_with("\r\n"), "cut short: {line:?}");
            if let Some(number) = line.strip_prefix("content-length: ") {
                len = number.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).unwrap();
        self.asked += 1;
        let (connection, request) = greeting(&body, self.server.runtime);
        assert_eq!(request, self.asked as u64, "requests on this connection");
        connection
    }
}

/// The numbers of connection and request in a greeting.
pub(crate) fn greeting(body: &[u8], runtime: &str) -> (u64, u64) {
    let text = String::from_utf8_lossy(body);
    let start = format!("Hello over a flow on {runtime}: connection ");
    text.strip_prefix(&start)
        .and_then(|rest| rest.strip_suffix('\n')?.split_once(", request "))
        .and_then(|(connection, request)| Some((connection.parse().ok()?, request.parse().ok()?)))
        .unwrap_or_else(|| panic!("no greeting from {runtime}: {text:?}"))
}
