//! The relay alone, started as `housecall serve --roles sfu` is: for profiles and
//! comparisons without building the whole house.

use std::sync::Arc;

use figment::Figment;
use figment::providers::Env;
use housecall_platform::bus::Bus;
use housecall_platform::service::{Context, Settings};
use housecall_platform::token::Verifier;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("HOUSECALL_BUS__NATS_URL")?;
    let config = Figment::new().merge(Env::prefixed("HOUSECALL_SFU__")).extract()?;
    let bus = Bus::nats(&url).await?;
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing".to_owned().into();
    let context = Context {
        node: uuid::Uuid::now_v7(),
        verifier: Verifier::new(bus.clone(), "identity.jwks"),
        bus,
        pool: housecall_platform::postgres::pool(&nowhere, 1)?,
        metrics: prometheus::Registry::new(),
        settings: Arc::new(Settings::default()),
        shutdown: CancellationToken::new(),
    };
    let shutdown = context.shutdown.clone();
    let running = housecall_sfu::start(context, config).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    terminate.recv().await;
    shutdown.cancel();
    running.tasks.close();
    running.tasks.wait().await;
    Ok(())
}
