//! `housecall`: every service in one process, or the subset named by `--roles`.
//! Roles, configuration, start and drain; no product logic.

mod cli;
mod config;
mod database;
mod demo;
mod http;
mod launch;
mod limits;
mod listener;
mod roles;
mod web_apps;

use std::process::ExitCode;

use clap::Parser;

use cli::{AdminCommand, Cli, Command, ConfigCommand};

#[global_allocator]
static HEAP: housecall_platform::heap::Counting = housecall_platform::heap::Counting;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(arguments) => launch::serve(&arguments),
        Command::Config(ConfigCommand::Sample) => {
            print!("{}", config::sample());
            Ok(())
        }
        Command::Config(ConfigCommand::Check { config }) => {
            config::load(config.as_deref()).map(|_| println!("the configuration is valid"))
        }
        Command::Openapi => {
            println!("{}", housecall_crm_api::openapi());
            Ok(())
        }
        Command::Admin(AdminCommand::Migrate(arguments)) => launch::migrate(&arguments),
        Command::Admin(AdminCommand::CreateOperator(arguments)) => {
            launch::create_operator(&arguments)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One clear sentence for the person at the terminal; causes follow it.
            eprintln!("housecall: {error:#}");
            ExitCode::FAILURE
        }
    }
}
