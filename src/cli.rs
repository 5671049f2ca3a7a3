//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::roles::Role;

/// A self-hosted telemedicine communication platform.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the services.
    Serve(Serve),
    /// Looks after the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints the OpenAPI document of `/api/v1`.
    Openapi,
    /// Administers a deployment.
    #[command(subcommand)]
    Admin(AdminCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints every setting with its meaning and default, as TOML.
    Sample,
    /// Reads the configuration as `serve` would and says what is wrong with it.
    Check {
        /// Configuration file.
        #[arg(long, env = "HOUSECALL_CONFIG")]
        config: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Brings the database schema up to date and exits.
    Migrate(Location),
    /// Creates an operator; the password is read from standard input.
    CreateOperator(CreateOperator),
}

/// Where the deployment is. Options win over the environment, which wins over
/// the file.
#[derive(Debug, Default, Args)]
pub(crate) struct Location {
    /// Configuration file.
    #[arg(long, env = "HOUSECALL_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Directory for the private database and uploaded files.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) location: Location,
    /// Services to run, comma-separated; all when absent.
    #[arg(long, value_delimiter = ',', value_enum)]
    pub(crate) roles: Vec<Role>,
    /// Public listener, as 127.0.0.1:8080.
    #[arg(long, overrides_with = "listen")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Private listener for metrics and health, as 127.0.0.1:8081.
    #[arg(long)]
    pub(crate) private_listen: Option<std::net::SocketAddr>,
    /// First UDP port of the media relay.
    #[arg(long)]
    pub(crate) media_port: Option<u16>,
    /// Fills an empty database with demo people and prints their sign-ins.
    #[arg(long, env = "HOUSECALL_DEMO")]
    pub(crate) demo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CreateOperator {
    #[command(flatten)]
    pub(crate) location: Location,
    #[arg(long)]
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) email: String,
    /// doctor, desk, supervisor or admin.
    #[arg(long)]
    pub(crate) role: String,
    /// Specialty code, as therapy.
    #[arg(long)]
    pub(crate) specialty: Option<String>,
}
