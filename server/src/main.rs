//! The server's program.

fn main() -> std::process::ExitCode {
    roadbook_server::command::main()
}
