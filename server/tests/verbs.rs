//! The command line, beside a running server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use roadbook_core::env::{Env as _, SystemEnv};
use roadbook_server::data::Data;
use roadbook_server::invitation;
use roadbook_server::store::{DeviceId, Joined, Joining};

const PROGRAM: &str = env!("CARGO_BIN_EXE_roadbook-server");

fn run(data: &Path, args: &[&str]) -> Output {
    let (verb, rest) = args.split_at(if ["invite", "backup", "restore", "doctor"].contains(&args[0]) { 1 } else { 2 });
    Command::new(PROGRAM).args(verb).arg("--data").arg(data).args(rest).output().unwrap()
}

fn out(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn err(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

fn serve(data: &Path) -> (Child, String) {
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--log-json", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit_once("http://").unwrap().1.to_owned();
    (child, address)
}

fn health(address: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn all_verbs_work_beside_a_running_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (mut child, address) = serve(&data);
    assert!(health(&address).ends_with("ok\n"));
    assert!(out(run(&data, &["workspace", "create", "  Meyer & Söhne "])).contains("Meyer & Söhne"));
    out(run(&data, &["user", "add", "--workspace", "Meyer & Söhne", "--role", "rep", "Anna Berg"]));
    let invitation = out(run(&data, &["invite", "--workspace", "meyer & söhne", "Anna Berg"]));
    let code = invitation.lines().last().unwrap();
    assert_eq!((code.len(), code.split('-').count()), (24, 5));
    let shown = out(run(&data, &["workspace", "show", "--json", "Meyer & Söhne"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((shown["people"].as_u64(), shown["devices"].as_u64(), shown["sequence"].as_u64()), (Some(1), Some(0), Some(0)));
    assert_eq!(shown["state_hash"].as_str().unwrap().len(), 64);
    assert!(out(run(&data, &["workspace", "show", "Meyer & Söhne"])).contains("state hash"));
    assert!(out(run(&data, &["device", "list", "--workspace", "Meyer & Söhne"])).contains("No device"));

    let file = dir.path().join("monday.backup");
    let printed = out(run(&data, &["backup", "--check", "-o", file.to_str().unwrap()]));
    assert!(printed.starts_with("Backed up 1 workspace with 0 records, ") && printed.contains("whole"), "{printed}");
    assert!(err(run(&data, &["backup", "-o", file.to_str().unwrap()])).contains("--force"));
    assert!(out(run(&data, &["doctor"])).contains("Looked at 0 records in 1 workspaces: everything fits together."));
    assert!(err(run(&data, &["restore", file.to_str().unwrap()])).contains("stop it first"));

    let stopped = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    assert!(child.wait().unwrap().success());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
    assert!(!log.contains("Anna") && !log.contains(code) && !log.contains("Meyer"), "{log}");
    // The database was closed: nothing is left in its log.
    assert!(!data.join("roadbook-server.db-wal").exists());
    let printed = out(run(&data, &["restore", file.to_str().unwrap()]));
    assert!(
        printed.starts_with("Restored 1 workspace with 0 records, ") && printed.contains("Open invitations that ended: 1"),
        "{printed}"
    );
    assert!(out(run(&data, &["workspace", "show", "Meyer & Söhne"])).contains("restored    20"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.join("roadbook-server.secret")), 0o600);
        assert_eq!(mode(&data), 0o700);
    }
}

#[test]
fn open_invitations_are_listed_without_their_codes_and_end_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    out(run(data, &["workspace", "create", "Firm"]));
    for (person, role) in [("Anna Berg", "rep"), ("Boris Król", "manager")] {
        out(run(data, &["user", "add", "--workspace", "Firm", "--role", role, person]));
    }
    let list = || out(run(data, &["invitation", "list", "--workspace", "Firm"]));
    let invite = |person: &str| {
        let printed = out(run(data, &["invite", "--workspace", "Firm", person]));
        printed.lines().last().unwrap().to_owned()
    };
    assert!(list().contains("No invitation is open"));
    let (taken, second, boriss) = (invite("Anna Berg"), invite("Anna Berg"), invite("Boris Król"));
    let listed = list();
    assert_eq!(listed.lines().count(), 3);
    assert!(listed.starts_with("Anna Berg ") && listed.contains("  rep ") && listed.contains("  until 20"), "{listed}");
    let as_json = out(run(data, &["invitation", "list", "--workspace", "Firm", "--json"]));
    for code in [&taken, &second, &boriss] {
        assert!(!listed.contains(code.as_str()) && !as_json.contains(code.as_str()));
    }
    let parsed: serde_json::Value = serde_json::from_str(&as_json).unwrap();
    assert_eq!((parsed[2]["person"].as_str(), parsed[2]["role"].as_str()), (Some("Boris Król"), Some("manager")));
    assert!(parsed[2]["expires_ms"].as_i64().unwrap() > SystemEnv.now().ms);

    let joining = Joining {
        code_hash: invitation::hash(&taken),
        public_key: [7; 32],
        device_name: "Phone".into(),
        new_id: DeviceId::generate(&SystemEnv),
        now_ms: SystemEnv.now().ms,
    };
    assert!(matches!(Data::open(data, &SystemEnv).unwrap().store.join(&joining).unwrap(), Joined::Device(_)));
    let revoke = || out(run(data, &["device", "revoke", "--workspace", "Firm", &joining.new_id.to_string()]));
    let printed = revoke();
    assert!(printed.starts_with("Revoked ") && printed.contains("Open invitations of Anna Berg that ended: 1."), "{printed}");
    let printed = revoke();
    assert!(printed.starts_with("Already revoked") && !printed.contains("invitations"), "{printed}");
    assert!(list().starts_with("Boris Król ") && list().lines().count() == 1);

    let withdraw = |person: &str| run(data, &["invitation", "withdraw", "--workspace", "Firm", person]);
    assert!(out(withdraw("boris król")).contains("Open invitations of Boris Król that ended: 1."));
    assert!(out(withdraw("Boris Król")).contains("ended: 0."));
    assert!(err(withdraw("Hanna")).contains("“Anna Berg”"));
    assert!(list().contains("No invitation is open"));
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_the_database_whoever_may_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let allow = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::create_dir(&data).unwrap();
    allow(&data, 0o755);
    out(run(&data, &["workspace", "create", "Firm"]));
    let files = ["roadbook-server.db", "roadbook-server.db-wal", "roadbook-server.db-shm"].map(|name| data.join(name));
    // The log and its index are there while somebody has the database open, and stay when it is killed.
    let modes = || {
        let (mut child, _) = serve(&data);
        child.kill().unwrap();
        child.wait().unwrap();
        files.each_ref().map(|file| std::fs::metadata(file).unwrap().permissions().mode() & 0o777)
    };
    assert_eq!(modes(), [0o600; 3]);
    // As an older release made them, or somebody who copied the folder.
    files.iter().for_each(|file| allow(file, 0o644));
    assert_eq!(modes(), [0o600; 3]);
}

#[test]
fn the_doctor_says_with_its_exit_code_that_a_person_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    out(run(dir.path(), &["workspace", "create", "Firm"]));
    let conn = rusqlite::Connection::open(dir.path().join("roadbook-server.db")).unwrap();
    conn.execute("UPDATE workspace SET seq = 1", []).unwrap();
    let found = run(dir.path(), &["doctor", "--repair"]);
    let text = String::from_utf8(found.stdout).unwrap();
    assert!(text.contains("gap at number 1 (needs a person)") && text.contains(": 1 finding."), "{text}");
    assert_eq!(found.status.code(), Some(4));
}

#[test]
fn errors_say_what_is_wrong_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    assert!(err(run(&data.join("nothing"), &["workspace", "show", "x"])).contains("workspace create"));
    out(run(data, &["workspace", "create", "Firm"]));
    assert!(err(run(data, &["workspace", "create", "firm"])).contains("already"));
    assert!(err(run(data, &["workspace", "create", " "])).contains("1 to 100 characters"));
    assert!(err(run(data, &["workspace", "show", "Farm"])).contains("“Firm”"));
    out(run(data, &["user", "add", "--workspace", "Firm", "--role", "rep", "Anna"]));
    assert!(err(run(data, &["user", "add", "--workspace", "Firm", "--role", "manager", "anna"])).contains("already"));
    assert!(err(run(data, &["invite", "--workspace", "Firm", "Hanna"])).contains("“Anna”"));
    assert!(err(run(data, &["invite", "--workspace", "Firm", "--hours", "0", "Anna"])).contains("hours"));
    assert!(err(run(data, &["device", "revoke", "--workspace", "Firm", "0190"])).contains("device list"));
    let public = Command::new(PROGRAM).args(["serve", "--listen", "0.0.0.0:0", "--data"]).arg(data).output().unwrap();
    assert!(err(public).contains("--insecure"));
    for wrong in [&["user", "add", "--workspace", "Firm", "--role", "king", "Anna"][..], &["workspace", "burn", "Firm"]] {
        assert_eq!(run(data, wrong).status.code(), Some(2));
    }
}
