//! TLS with certificates that the tests make.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{Server, ask_without_reading, contact, done, now};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use roadbook_cli::http::{Client, PATIENCE, drive};
use roadbook_core::sync::{End, Session, WaitReason};
use roadbook_server::Error;
use roadbook_server::serve::Door;
use roadbook_server::tls::Tls;
use roadbook_tests::{Device, World};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

/// A firm's authority, and a folder with what it issues.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes `<file>.pem` and `<file>.key` for a name.
    fn issue(&self, file: &str, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let (certificate, private) = (self.file(&format!("{file}.pem")), self.file(&format!("{file}.key")));
        std::fs::write(&certificate, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        (certificate, private)
    }
}

/// A server that speaks TLS as `localhost`, over the folder of one that is kept.
fn protected(world: &Arc<World>, authority: &Authority, name: &str) -> (Server, Server, String) {
    protected_by(world, authority, name, Door::default())
}

/// As `protected`, with a door that has everything else.
fn protected_by(world: &Arc<World>, authority: &Authority, name: &str, door: Door) -> (Server, Server, String) {
    let (certificate, key) = authority.issue("server", name, |_| {});
    let mut kept = Server::new(world);
    kept.stop();
    let tls = Tls::open(&certificate, &key, now(world)).unwrap();
    let server = Server::start_with(&kept.dir, world, Door { tls: Some(Arc::new(tls)), ..door });
    let url = format!("https://localhost:{}", server.address.port());
    (kept, server, url)
}

/// A connection by one version of TLS.
fn connect(
    port: u16,
    authority: &Path,
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    Ok(StreamOwned::new(session, TcpStream::connect(("127.0.0.1", port))?))
}

/// What `GET /health` gives, by one version of TLS.
fn health(port: u16, authority: &Path, version: &'static SupportedProtocolVersion) -> std::io::Result<String> {
    let mut stream = connect(port, authority, version)?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_device_joins_and_syncs_over_tls_with_a_firms_own_authority() {
    let world = World::new(121);
    let authority = Authority::new();
    let (_kept, server, url) = protected(&world, &authority, "localhost");
    let anna = Device::new(&world);
    contact(&anna, "Ackermann");
    let join = |device: &Device, client: &Client| {
        let mut session = Session::join(&device.book, &url, &server.invite("Anna Berg"), "Phone").unwrap();
        drive(&mut session, client).unwrap()
    };
    // Who does not know the authority sends nothing.
    let stranger = join(&anna, &Client::new());
    assert!(matches!(stranger.end, End::Wait { reason: WaitReason::Offline, .. }));
    assert!(stranger.trouble.unwrap().contains("authority"));
    assert_eq!(server.summary().devices, 0);
    let client = Client::with(Some(&authority.file("ca.pem")), PATIENCE).unwrap();
    done(join(&anna, &client).end);
    assert_eq!(server.summary().records, 1);
    for version in [&TLS12, &TLS13] {
        assert!(health(server.address.port(), &authority.file("ca.pem"), version).unwrap().ends_with("ok\n"));
    }
}

#[test]
fn the_command_line_takes_the_authority_as_an_option() {
    let world = World::new(122);
    let authority = Authority::new();
    let (_kept, server, url) = protected(&world, &authority, "localhost");
    let place = tempfile::tempdir().unwrap();
    let run = |extra: &[&str]| {
        let arguments = ["roadbook", "--json", "--store"].map(Into::into).into_iter();
        let arguments = arguments.chain([place.path().join("book").into_os_string()]);
        roadbook_cli::run(arguments.chain(extra.iter().map(Into::into)))
    };
    let (code, ca) = (server.invite("Anna Berg"), authority.file("ca.pem"));
    assert_eq!(run(&["--ca", ca.to_str().unwrap(), "join", &url, "--invite", &code]), 0);
    assert_eq!(run(&["--ca", ca.to_str().unwrap(), "sync"]), 0);
    assert_eq!(run(&["sync"]), 1);
}

#[test]
fn a_certificate_for_another_name_is_refused_by_the_client() {
    let world = World::new(123);
    let authority = Authority::new();
    let (_kept, server, url) = protected(&world, &authority, "crm.example");
    let client = Client::with(Some(&authority.file("ca.pem")), PATIENCE).unwrap();
    let mut session = Session::join(&Device::new(&world).book, &url, &server.invite("Anna Berg"), "Phone").unwrap();
    let trip = drive(&mut session, &client).unwrap();
    assert!(trip.trouble.unwrap().contains("another name"));
    assert_eq!(server.summary().devices, 0);
}

#[test]
fn clients_that_say_nothing_or_something_else_keep_nobody_out() {
    let world = World::new(124);
    let authority = Authority::new();
    let (_kept, server, _) = protected(&world, &authority, "localhost");
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let mut plain = TcpStream::connect(server.address).unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"));
    assert!(health(server.address.port(), &authority.file("ca.pem"), &TLS13).unwrap().ends_with("ok\n"));
    drop(silent);
}

#[test]
fn who_asks_by_tls_and_reads_no_answer_is_left_after_a_while() {
    let world = World::new(126);
    let authority = Authority::new();
    let door = Door { unread: Duration::from_millis(300), ..Door::default() };
    let (_kept, server, _) = protected_by(&world, &authority, "localhost", door);
    let mut stream = connect(server.address.port(), &authority.file("ca.pem"), &TLS13).unwrap();
    stream.sock.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
    let broke = ask_without_reading(&mut stream);
    assert!(matches!(broke, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{broke:?}");
    assert!(health(server.address.port(), &authority.file("ca.pem"), &TLS13).unwrap().ends_with("ok\n"));
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_reason() {
    let world = World::new(125);
    let authority = Authority::new();
    let (certificate, key) = authority.issue("good", "localhost", |_| {});
    let (expired, expired_key) = authority.issue("expired", "localhost", |params| params.not_after = date_time_ymd(2020, 2, 29));
    let (early, early_key) = authority.issue("early", "localhost", |params| params.not_before = date_time_ymd(2090, 1, 1));
    let write = |name: &str, text: &str| {
        std::fs::write(authority.file(name), text).unwrap();
        authority.file(name)
    };
    let (empty, none) = (write("empty.pem", ""), authority.file("none.pem"));
    let sealed = write("sealed.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let old = write("old.key", old);
    let torn = write("torn.pem", &std::fs::read_to_string(&certificate).unwrap()[..200]);
    for (cert, private, named, why) in [
        (&none, &key, "none.pem", "cannot be read"),
        (&certificate, &none, "none.pem", "cannot be read"),
        (&empty, &key, "empty.pem", "no certificate"),
        (&torn, &key, "torn.pem", "PEM"),
        (&certificate, &certificate, "good.pem", "no private key"),
        (&certificate, &sealed, "sealed.key", "encrypted"),
        (&certificate, &old, "old.key", "encrypted"),
        (&certificate, &expired_key, "expired.key", "not the key of the certificate"),
        (&expired, &expired_key, "expired.pem", "expired at 2020-02-29"),
        (&early, &early_key, "early.pem", "not good before 2090-01-01"),
    ] {
        let error = Tls::open(cert, private, now(&world)).err().unwrap();
        let text = error.to_string();
        assert!(matches!(error, Error::Tls { .. }) && text.contains(named) && text.contains(why), "{text}");
        assert!(!text.contains("BEGIN"), "{text}");
    }
    Tls::open(&certificate, &key, now(&world)).unwrap();
}

/// The server's program with its log.
struct Running {
    child: Child,
    port: u16,
    log: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(data: &Path, certificate: &Path, key: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roadbook-server"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).arg("--tls-cert").arg(certificate);
        let mut child = command.arg("--tls-key").arg(key).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit_once("https://127.0.0.1:").unwrap().1.parse().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, port, log }
    }

    /// Sends SIGHUP and reads the log until it says what became of that.
    fn reload(&mut self, says: &str) {
        let sent = Command::new("kill").arg("-HUP").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        let line = self.log.by_ref().lines().map(|line| line.unwrap()).find(|line| line.contains("certificate"));
        assert!(line.as_ref().is_some_and(|line| line.contains(says)), "{line:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn a_new_certificate_is_taken_at_a_signal_and_a_bad_one_is_not() {
    let (first, second) = (Authority::new(), Authority::new());
    let (certificate, key) = first.issue("server", "localhost", |_| {});
    let data = tempfile::tempdir().unwrap();
    let mut server = Running::start(data.path(), &certificate, &key);
    let asks = |server: &Running, authority: &Authority| health(server.port, &authority.file("ca.pem"), &TLS13);
    assert!(asks(&server, &first).unwrap().ends_with("ok\n"));
    assert!(asks(&server, &second).is_err());
    let (next, next_key) = second.issue("next", "localhost", |_| {});
    std::fs::copy(&next, &certificate).unwrap();
    // The key has not followed yet.
    server.reload("stays");
    assert!(asks(&server, &first).unwrap().ends_with("ok\n"));
    std::fs::copy(&next_key, &key).unwrap();
    server.reload("read again");
    assert!(asks(&server, &second).unwrap().ends_with("ok\n"));
    assert!(asks(&server, &first).is_err());
}
