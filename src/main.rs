//! The binary `albedo`: see `cli` for its commands and `app` for how the controller is put together.

mod app;
mod cli;
mod cloud;
mod cluster;
mod liveness;
mod metrics;
mod reconcile;
mod serve;
mod version;

fn main() -> std::process::ExitCode {
    cli::main()
}
