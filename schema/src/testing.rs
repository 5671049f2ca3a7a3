//! A fresh, migrated database for each test.
//!
//! Each test binary starts one throwaway PostgreSQL and stops it at its end; each
//! database in it is a copy of a migrated template.

use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;

use housecall_platform::postgres::{self, Pool, PrivateCluster, THROWAWAY_SETTINGS};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio_postgres::NoTls;
use uuid::Uuid;

/// A database of its own for one test. Dropped with the cluster.
pub struct TestDatabase {
    pub pool: Pool,
    pub name: String,
    /// Address of this database.
    pub url: secrecy::SecretString,
}

struct Server {
    cluster: PrivateCluster,
    template: String,
    _directory: TempDir,
}

// Statics are never dropped, so a process that ends by itself would leave its
// server behind: `stop_at_exit` ends it.
static SERVER: OnceLock<std::sync::Mutex<Option<Server>>> = OnceLock::new();
static STARTING: Mutex<()> = Mutex::const_new(());

impl TestDatabase {
    /// Creates a database from the migrated template.
    ///
    /// # Panics
    /// When no server can be started: a test without its database has failed.
    pub async fn fresh() -> Self {
        let (maintenance, template) = server().await;
        let name = format!("test_{}", Uuid::new_v4().simple());
        execute(&maintenance, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        let url = with_cluster(|server| server.cluster.url(&name));
        let pool = postgres::pool(&url, 8).expect("a cluster's own address is readable");
        Self { pool, name, url }
    }
}

async fn server() -> (secrecy::SecretString, String) {
    let _one_starts = STARTING.lock().await;
    if SERVER.get().is_none() {
        start().await;
    }
    with_cluster(|server| (server.cluster.url("postgres"), server.template.clone()))
}

async fn start() {
    let directory = TempDir::with_prefix("housecall-test-").expect("a temporary directory");
    // The server may run as another user, which must be able to walk in.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).expect("our own directory");
    let path = directory.path().to_owned();
    let cluster = tokio::task::spawn_blocking(move || {
        PrivateCluster::start(&path.join("postgres"), &THROWAWAY_SETTINGS)
    })
    .await
    .expect("starting the cluster does not panic")
    .expect("a test needs PostgreSQL");
    let template = "housecall_template".to_owned();
    execute(&cluster.url("postgres"), &format!("CREATE DATABASE {template}")).await;
    let pool = postgres::pool(&cluster.url(&template), 1).expect("own address");
    crate::migrate(&pool).await.expect("migrations apply");
    pool.close();
    let server = Server { cluster, template, _directory: directory };
    assert!(SERVER.set(std::sync::Mutex::new(Some(server))).is_ok(), "started once");
    stop_at_exit();
}

fn with_cluster<T>(read: impl FnOnce(&Server) -> T) -> T {
    let guard = SERVER.get().expect("started before use").lock().expect("not poisoned");
    read(guard.as_ref().expect("stopped only at exit"))
}

#[expect(unsafe_code, reason = "atexit is the one hook a test harness leaves us")]
fn stop_at_exit() {
    extern "C" fn stop() {
        if let Some(server) = SERVER.get()
            && let Ok(mut server) = server.lock()
        {
            drop(server.take());
        }
    }
    // SAFETY: registers a function without arguments that touches only statics.
    unsafe {
        libc::atexit(stop);
    }
}

async fn execute(url: &secrecy::SecretString, statement: &str) {
    use secrecy::ExposeSecret;
    let (client, connection) =
        tokio_postgres::connect(url.expose_secret(), NoTls).await.expect("the server is up");
    let driver = tokio::spawn(connection);
    // The template may still be held for an instant by the connection that migrated it.
    client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    drop(client);
    let _ = driver.await;
}
