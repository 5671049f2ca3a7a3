//! What the parts of a house take of the machine while a load is on it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio_postgres::Client;

use crate::deployment::Deployment;
use crate::process::cpu_time;

/// User and system time of all processes of each part.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PerMessage {
    pub house: f64,
    pub postgres: f64,
    pub clients: f64,
}

/// CPU since a beginning.
pub struct Costs {
    house: Vec<u32>,
    clients: u32,
    before: Spent,
}

#[derive(Clone, Debug, Default)]
pub struct Spent {
    house: Duration,
    clients: Duration,
    postgres: BTreeMap<u32, Duration>,
}

impl Costs {
    /// # Errors
    /// When a process is gone.
    pub async fn begin(house: &Deployment, database: &Client, load: u32) -> anyhow::Result<Self> {
        let house = house.processes().map(|process| process.pid).collect();
        let mut costs = Self { house, clients: load, before: Spent::default() };
        costs.before = costs.spent(database).await?;
        Ok(costs)
    }

    /// Since the beginning.
    ///
    /// # Errors
    /// When a process is gone.
    pub async fn end(self, database: &Client) -> anyhow::Result<Total> {
        let now = self.spent(database).await?;
        let before = |pid| self.before.postgres.get(pid).copied().unwrap_or_default();
        let postgres = now.postgres.iter().map(|(pid, cpu)| cpu.saturating_sub(before(pid))).sum();
        Ok(Total {
            house: now.house.saturating_sub(self.before.house),
            clients: now.clients.saturating_sub(self.before.clients),
            postgres,
        })
    }

    async fn spent(&self, database: &Client) -> anyhow::Result<Spent> {
        let house = self.house.iter().map(|pid| cpu_time(*pid)).sum::<anyhow::Result<_>>()?;
        let clients = cpu_time(self.clients)?;
        let rows = database.query("SELECT pid FROM pg_stat_activity", &[]).await?;
        let pids = rows.iter().filter_map(|row| u32::try_from(row.get::<_, i32>(0)).ok());
        // One that ended meanwhile spent little.
        let postgres = pids.filter_map(|pid| Some((pid, cpu_time(pid).ok()?))).collect();
        Ok(Spent { house, clients, postgres })
    }
}

/// What each part took.
#[derive(Clone, Copy, Debug)]
pub struct Total {
    house: Duration,
    clients: Duration,
    postgres: Duration,
}

impl Total {
    /// Microseconds for each of so many messages.
    pub fn per(&self, messages: u64) -> PerMessage {
        let us = |cpu: Duration| cpu.as_secs_f64() * 1e6 / messages.max(1) as f64;
        PerMessage { house: us(self.house), postgres: us(self.postgres), clients: us(self.clients) }
    }
}
