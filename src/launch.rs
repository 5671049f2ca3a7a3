//! Start, serve, drain.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use housecall_crm_api::admin::NewOperator;
use housecall_platform::bus::Bus;
use housecall_platform::service::{Context, Running, Settings};
use housecall_platform::token::Verifier;
use housecall_platform::{postgres, telemetry};
use housecall_protocol::NodeId;
use housecall_protocol::cluster::subject;
use nix::fcntl::{Flock, FlockArg};
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli;
use crate::config::{self, Config};
use crate::database::{self, OpenDatabase};
use crate::http::{self, Readiness};
use crate::roles::Role;
use crate::{demo, limits, listener, web_apps};

/// Between looks at a bus that is not there yet.
const BUS_POLL: Duration = Duration::from_millis(20);
/// A wait that the person at the terminal is told of.
const BUS_PATIENCE: Duration = Duration::from_secs(1);

/// `housecall serve`.
pub(crate) fn serve(arguments: &cli::Serve) -> anyhow::Result<()> {
    let config = configure(arguments)?;
    telemetry::init_logs(&config.log.filter, config.log.format);
    limits::raise_open_files(config.limits.open_files);
    let roles = Role::selected(&arguments.roles);
    check_meeting_places(&config, &roles)?;
    runtime()?.block_on(run(config, roles))
}

/// Roles that run elsewhere must be reachable, and must see the same rows.
fn check_meeting_places(config: &Config, roles: &[Role]) -> anyhow::Result<()> {
    let elsewhere = Role::missing(roles);
    if config.bus.nats_url.is_none() && !elsewhere.is_empty() {
        bail!(
            "a subset of roles needs a bus to reach the others: set bus.nats_url (HOUSECALL_BUS__NATS_URL)"
        );
    }
    let uses_database = |all: &[Role]| all.iter().any(|role| role.needs_database());
    if config.database.url.is_none() && uses_database(roles) && uses_database(&elsewhere) {
        bail!(
            "processes that share the roles need one database for all: set database.url (DATABASE_URL)"
        );
    }
    Ok(())
}

/// `housecall admin migrate`.
pub(crate) fn migrate(location: &cli::Location) -> anyhow::Result<()> {
    with_database(location, |_, _| async { Ok(()) })
}

/// `housecall admin create-operator`.
pub(crate) fn create_operator(arguments: &cli::CreateOperator) -> anyhow::Result<()> {
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password).context("the password cannot be read")?;
    let operator = NewOperator {
        name: arguments.name.clone(),
        email: arguments.email.clone(),
        role: arguments.role.clone(),
        specialty: arguments.specialty.clone(),
        password: SecretString::from(password.trim_end_matches(['\r', '\n']).to_owned()),
    };
    with_database(&arguments.location, |pool, _| async move {
        let id = housecall_crm_api::admin::create_operator(&pool, operator).await?;
        println!("created operator {id}");
        Ok(())
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")
}

fn with_database<F, Fut>(location: &cli::Location, work: F) -> anyhow::Result<()>
where
    F: FnOnce(postgres::Pool, Config) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let arguments = cli::Serve {
        location: cli::Location {
            config: location.config.clone(),
            data_dir: location.data_dir.clone(),
        },
        ..cli::Serve::default()
    };
    let config = configure(&arguments)?;
    runtime()?.block_on(async {
        let _lock = match config.database.url {
            Some(_) => None,
            None => Some(lock_data_dir(&config.server.data_dir)?),
        };
        let database = database::open(&config.database, &config.server.data_dir).await?;
        let outcome = async {
            database.migrate().await?;
            work(database.pool.clone(), config).await
        }
        .await;
        database.close().await;
        outcome
    })
}

/// The file and the environment, then the command line's own options.
fn configure(arguments: &cli::Serve) -> anyhow::Result<Config> {
    let mut config = config::load(arguments.location.config.as_deref())?;
    if let Some(data_dir) = &arguments.location.data_dir {
        config.server.data_dir.clone_from(data_dir);
    }
    if let Some(listen) = arguments.listen {
        config.server.listen = listen;
    }
    if let Some(listen) = arguments.private_listen {
        config.server.private_listen = listen;
    }
    if let Some(port) = arguments.media_port {
        config.sfu.port_base = port;
    }
    config.server.demo |= arguments.demo;
    Ok(config)
}

async fn run(config: Config, roles: Vec<Role>) -> anyhow::Result<()> {
    // Addresses first: a busy port is told before anything else is touched.
    let public = http::bind(config.server.listen, "--listen")?;
    let private = http::bind(config.server.private_listen, "--private-listen")?;
    let _lock = lock_data_dir(&config.server.data_dir)?;

    let shutdown = CancellationToken::new();
    let tls = config.server.tls.as_ref().map(|files| files.serve(shutdown.clone())).transpose()?;
    let metrics = prometheus::Registry::new();
    let ready = Readiness::default();
    let private_router = http::private_router(metrics.clone(), ready.clone());
    let private_address = private.local_addr()?;
    // Health answers during a long start and during the drain too.
    let health_stop = CancellationToken::new();
    let bounds = config.server.bounds();
    let health =
        tokio::spawn(listener::serve(private, None, private_router, bounds, health_stop.clone()));

    let database = open_database(&config, &roles).await?;
    let public_address = public.local_addr()?;
    let bus = open_bus(&config, &ready, private_address).await?;
    let context = context(&config, public_address, bus, &database, metrics, &shutdown)?;
    let started = start(&config, &context, &roles).await;
    let House { router, running, demo_sign_ins } = match started {
        Ok(house) => house,
        Err(error) => {
            shutdown.cancel();
            close(database).await;
            return Err(error);
        }
    };

    // The listener stops with the services, so that WebSockets get their close
    // frame from the gateway before the socket goes.
    if roles.contains(&Role::Signaling) {
        ready.needs_keys(context.verifier.clone());
        let (verifier, shutdown) = (context.verifier.clone(), shutdown.clone());
        tokio::spawn(async move {
            shutdown.run_until_cancelled(verifier.fetch_first()).await;
        });
    }
    let server = tokio::spawn(listener::serve(public, tls, router, bounds, shutdown.clone()));
    ready.set(true);
    let scheme = scheme(&config);
    demo::announce(scheme, public_address, private_address, demo_sign_ins.as_ref());

    stop_signal().await?;
    println!("\nStopping.");
    ready.set(false);
    shutdown.cancel();
    drain(&config, running, server).await;
    context.bus.flush().await;
    close(database).await;
    health_stop.cancel();
    // Joined for its end, not for its result: nobody reads health any more.
    let _ = health.await;
    Ok(())
}

struct House {
    router: Router,
    running: Vec<(Role, Running)>,
    demo_sign_ins: Option<housecall_crm_api::demo::DemoSignIns>,
}

async fn open_database(config: &Config, roles: &[Role]) -> anyhow::Result<Option<OpenDatabase>> {
    if !roles.iter().any(|role| role.needs_database()) {
        return Ok(None);
    }
    let database = database::open(&config.database, &config.server.data_dir).await?;
    database.migrate().await?;
    Ok(Some(database))
}

/// Waits until the bus answers: a service started before it would be heard by
/// nobody, and say so with every request.
async fn open_bus(
    config: &Config,
    ready: &Readiness,
    private: std::net::SocketAddr,
) -> anyhow::Result<Bus> {
    let Some(url) = &config.bus.nats_url else { return Ok(Bus::local()) };
    let bus = Bus::nats(url).await.context("the bus cannot be used: is bus.nats_url right?")?;
    ready.depends_on(bus.clone());
    let mut waited = Duration::ZERO;
    while !bus.is_connected() {
        if waited == BUS_PATIENCE {
            database::say(&format!(
                "waiting for the bus at {}: is the NATS server up? Until then http://{private}/readyz answers 503",
                without_password(url)
            ));
        }
        waited += BUS_POLL;
        tokio::time::sleep(BUS_POLL).await;
    }
    Ok(bus)
}

/// The address as it may be printed.
fn without_password(url: &str) -> &str {
    url.rsplit('@').next().unwrap_or(url)
}

fn context(
    config: &Config,
    public: std::net::SocketAddr,
    bus: Bus,
    database: &Option<OpenDatabase>,
    metrics: prometheus::Registry,
    shutdown: &CancellationToken,
) -> anyhow::Result<Context> {
    let pool = match database {
        Some(database) => database.pool.clone(),
        None => postgres::pool(&SecretString::from("postgres://localhost/none"), 1)?,
    };
    Ok(Context {
        node: NodeId::generate().0,
        verifier: Verifier::kept_in(
            bus.clone(),
            subject::IDENTITY_JWKS,
            config.server.data_dir.join("keys.json"),
        ),
        bus,
        pool,
        metrics,
        settings: Arc::new(Settings {
            public_origins: origins(config, public),
            demo: config.server.demo,
            max_message_characters: config.limits.max_message_characters,
            max_file_bytes: config.limits.max_file_bytes,
            message_change_seconds: config.limits.message_change_seconds,
        }),
        shutdown: shutdown.clone(),
    })
}

const fn scheme(config: &Config) -> &'static str {
    if config.server.tls.is_some() { "https" } else { "http" }
}

fn origins(config: &Config, public: std::net::SocketAddr) -> Vec<String> {
    if config.server.public_origins.is_empty() {
        let scheme = scheme(config);
        vec![format!("{scheme}://{public}"), format!("{scheme}://localhost:{}", public.port())]
    } else {
        config.server.public_origins.clone()
    }
}

async fn start(config: &Config, context: &Context, roles: &[Role]) -> anyhow::Result<House> {
    let mut router = Router::new();
    let mut running = Vec::new();
    for role in roles {
        let mut service = start_role(*role, config, context)
            .await
            .with_context(|| format!("the {} service cannot start", role.name()))?;
        router = router.merge(std::mem::take(&mut service.router));
        running.push((*role, service));
    }
    let mut demo_sign_ins = None;
    if roles.contains(&Role::CrmApi) {
        router = router.merge(web_apps::router());
        if config.server.demo {
            demo_sign_ins =
                Some(housecall_crm_api::demo::seed(context, &crm_config(config)).await?);
        }
    }
    Ok(House { router: http::with_security_headers(router), running, demo_sign_ins })
}

async fn start_role(role: Role, config: &Config, context: &Context) -> anyhow::Result<Running> {
    let context = context.clone();
    Ok(match role {
        Role::Presence => housecall_presence::start(context, config.presence.clone()).await?,
        Role::ChatRouter => {
            housecall_chat_router::start(context, config.chat_router.clone()).await?
        }
        Role::CrmApi => housecall_crm_api::start(context, crm_config(config)).await?,
        Role::Sfu => housecall_sfu::start(context, config.sfu.clone()).await?,
        Role::Signaling => housecall_signaling::start(context, config.signaling.clone()).await?,
    })
}

/// Files live beside the database unless a place was configured.
fn crm_config(config: &Config) -> housecall_crm_api::Config {
    let mut crm = config.crm_api.clone();
    if crm.files_dir.as_os_str().is_empty() {
        crm.files_dir = config.server.data_dir.join("files");
    }
    crm
}

/// Two processes on one data directory would corrupt each other's view of it.
fn lock_data_dir(data_dir: &Path) -> anyhow::Result<Flock<File>> {
    let unusable = || {
        format!(
            "the data directory {} cannot be used; choose another with --data-dir, or mend its permissions",
            data_dir.display()
        )
    };
    fs::create_dir_all(data_dir).with_context(unusable)?;
    let path: PathBuf = data_dir.join("lock");
    let file = File::create(&path).with_context(unusable)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        anyhow::anyhow!(
            "another Housecall runs on the data directory {}; stop it, or choose another with --data-dir",
            data_dir.display()
        )
    })
}

async fn stop_signal() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Waits for what is under way, at most the configured time. A second signal
/// ends the wait.
async fn drain(
    config: &Config,
    running: Vec<(Role, Running)>,
    server: tokio::task::JoinHandle<()>,
) {
    let limit = Duration::from_secs(config.server.drain_seconds);
    let all = async {
        for (role, service) in running {
            service.tasks.close();
            service.tasks.wait().await;
            tracing::debug!(role = role.name(), "drained");
        }
        if let Err(error) = server.await {
            tracing::warn!(%error, "public listener");
        }
    };
    tokio::select! {
        () = all => {}
        () = tokio::time::sleep(limit) => tracing::warn!("the drain took too long; stopping anyway"),
        _ = stop_signal() => tracing::warn!("told twice; stopping at once"),
    }
}

async fn close(database: Option<OpenDatabase>) {
    if let Some(database) = database {
        database.close().await;
    }
}
