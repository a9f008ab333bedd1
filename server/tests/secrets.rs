//! What must appear in no log, no list of processes and no text of an error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::contact;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use roadbook_cli::http::Client;
use roadbook_core::records::Contact;
use roadbook_core::sync::wire::{self, TokenResponse};
use roadbook_core::sync::{End, Event, Request, Session, Step};
use roadbook_tests::{Device, World};

const PROGRAM: &str = env!("CARGO_BIN_EXE_roadbook-server");

fn admin(data: &Path, verb: &[&str], rest: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(verb).arg("--data").arg(data).args(rest).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A server that logs what it and its libraries say at a level.
fn serve(data: &Path, log: &Path, level: &str) -> (Child, String) {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--log", level, "--log-json", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    let mut child = command.stdout(Stdio::piped()).stderr(std::fs::File::create(log).unwrap()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().rsplit_once(' ').unwrap().1.to_owned())
}

fn stop(child: &mut Child) {
    assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

/// Everything that passed between devices and the server.
#[derive(Default)]
struct Overheard {
    /// Authorizations and tokens, as text and as bytes.
    tokens: Vec<Vec<u8>>,
    /// The bodies of errors.
    errors: Vec<Vec<u8>>,
}

impl Overheard {
    fn drive(&mut self, mut session: Session, change: impl Fn(&mut Request)) -> End {
        let client = Client::new();
        let mut step = session.start().unwrap();
        loop {
            let mut request = match step {
                Step::End(end) => return end,
                Step::Send(request) => request,
            };
            change(&mut request);
            if let Some(authorization) = &request.authorization {
                self.tokens.push(authorization.trim_start_matches("Bearer ").as_bytes().to_vec());
            }
            let answer = client.send(&request).unwrap();
            if answer.status != 200 {
                self.errors.push(answer.body.clone());
            } else if let Ok(token) = wire::decode::<TokenResponse>(&answer.body) {
                self.tokens.push(token.token);
            }
            step = session.next(Event::Answered(answer)).unwrap();
        }
    }
}

#[test]
fn a_whole_working_day_leaves_no_secret_and_no_data_in_the_log_or_in_an_error() {
    let world = World::new(141);
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    admin(&data, &["workspace", "create"], &["Northern Pumps"]);
    for person in ["Annegret Quint", "Boleslaw Xaver"] {
        admin(&data, &["user", "add"], &["--workspace", "Northern Pumps", "--role", "rep", person]);
    }
    let invite = |person: &str| {
        let printed = admin(&data, &["invite"], &["--workspace", "Northern Pumps", person]);
        printed.lines().last().unwrap().to_owned()
    };
    let (first, second, unused) = (invite("Annegret Quint"), invite("Boleslaw Xaver"), invite("Boleslaw Xaver"));
    let wrong = "7K3M-9QXT-0ZRB-4WHE-V2CN";
    let (mut child, url) = serve(&data, &place.path().join("log"), "trace");
    let mut overheard = Overheard::default();
    let devices: Vec<Device> = (0..3).map(|_| Device::new(&world)).collect();
    for (device, code) in devices.iter().zip([first.as_str(), &second, wrong]) {
        contact(device, "Ackermannsdottir");
        overheard.drive(Session::join(&device.book, &url, code, "Quincunx phone").unwrap(), |_| {});
    }
    let sync = |overheard: &mut Overheard, device: &Device, change: &dyn Fn(&mut Request)| {
        overheard.drive(Session::sync(&device.book, None).unwrap(), change)
    };
    for title in ["Zymurgist", "Campanologist"] {
        let id = contact(&devices[0], "Ackermannsdottir").id.0;
        let form = devices[0].book.get::<Contact>(id).unwrap();
        devices[0].book.save(&Contact { job_title: title.into(), ..form }).unwrap();
        for device in &devices[..2] {
            sync(&mut overheard, device, &|_| {});
        }
    }
    // Torn bodies, a token that nobody has, a lost token, and a device that is revoked.
    contact(&devices[0], "Ackermannsdottir");
    sync(&mut overheard, &devices[0], &|request| request.body.truncate(40));
    sync(&mut overheard, &devices[0], &|request| {
        request.authorization = request.authorization.as_ref().map(|_| format!("Bearer {}", BASE64URL_NOPAD.encode(&[0x5a; 32])));
    });
    sync(&mut overheard, &devices[0], &|request| request.url = request.url.replace("/v1/sync", "/v1/sink"));
    let listed = admin(&data, &["device", "list"], &["--workspace", "Northern Pumps", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    for device in listed.as_array().unwrap() {
        admin(&data, &["device", "revoke"], &["--workspace", "Northern Pumps", device["id"].as_str().unwrap()]);
    }
    sync(&mut overheard, &devices[1], &|_| {});
    assert!(overheard.tokens.len() > 10 && overheard.errors.len() >= 4, "{}", overheard.errors.len());

    stop(&mut child);
    let log = std::fs::read(place.path().join("log")).unwrap();
    let said = String::from_utf8_lossy(&log);
    assert!(said.contains("a device joined") && said.contains("TRACE") && said.contains("/v1/sync"), "the log was on");

    let mut secrets: Vec<Vec<u8>> = overheard.tokens.clone();
    for code in [&first, &second, &unused, wrong] {
        secrets.push(code.as_bytes().to_vec());
        secrets.push(code.replace('-', "").into_bytes());
    }
    secrets.push(std::fs::read(data.join("roadbook-server.secret")).unwrap());
    let bytes: Vec<Vec<u8>> = secrets.clone();
    secrets.extend(bytes.iter().flat_map(|bytes| {
        [HEXLOWER.encode(bytes), HEXUPPER.encode(bytes), BASE64URL_NOPAD.encode(bytes), format!("{bytes:?}")]
            .map(String::into_bytes)
    }));
    let data: Vec<Vec<u8>> =
        ["Ackermannsdottir", "Zymurgist", "Campanologist", "Annegret", "Quint", "Boleslaw", "Xaver", "Northern", "Quincunx"]
            .map(|text| text.as_bytes().to_vec())
            .into();
    let texts = overheard.errors.iter().chain([&log]);
    for text in texts {
        for secret in secrets.iter().chain(&data) {
            let found = text.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret));
            assert!(!found, "{}", String::from_utf8_lossy(secret));
        }
    }
}

#[test]
fn what_strangers_ask_for_in_vain_fills_no_log() {
    let world = World::new(142);
    let place = tempfile::tempdir().unwrap();
    let (data, log) = (place.path().join("data"), place.path().join("log"));
    admin(&data, &["workspace", "create"], &["Firm"]);
    admin(&data, &["user", "add"], &["--workspace", "Firm", "--role", "rep", "Anna"]);
    let printed = admin(&data, &["invite"], &["--workspace", "Firm", "Anna"]);
    let code = printed.lines().last().unwrap();
    let (mut child, url) = serve(&data, &log, "info");
    let (client, device) = (Client::new(), Device::new(&world));
    let join = |code: &str| Overheard::default().drive(Session::join(&device.book, &url, code, "Phone").unwrap(), |_| {});
    for _ in 0..3 {
        assert!(matches!(join("7K3M-9QXT-0ZRB-4WHE-V2CN"), End::Rejoin { .. }));
    }
    for path in ["/v1/hello", "/v1/join", "/v1/token", "/v1/sync", "/nowhere"] {
        let request = Request {
            url: format!("{url}{path}"),
            content_type: wire::CONTENT_TYPE,
            authorization: None,
            body: b"junk".to_vec(),
        };
        assert_ne!(client.send(&request).unwrap().status, 200);
    }
    stop(&mut child);
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("listening") && !said.contains("answered"), "{said}");

    // Whoever has an invitation is seen, and so is what a device does.
    let (mut child, url) = serve(&data, &log, "info");
    Overheard::default().drive(Session::join(&device.book, &url, code, "Phone").unwrap(), |_| {});
    stop(&mut child);
    let said = std::fs::read_to_string(&log).unwrap();
    let answered = |path: &str| said.lines().filter(|line| line.contains("answered") && line.contains(path)).count();
    assert!(said.contains("a device joined"), "{said}");
    assert_eq!((answered("/v1/hello"), answered("/v1/join")), (0, 1), "{said}");
    assert!(answered("/v1/sync") > 0, "{said}");
}
