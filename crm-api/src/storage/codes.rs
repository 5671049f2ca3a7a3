//! One-time codes by phone.

use deadpool_postgres::GenericClient;

use super::Result;

/// Bounds of sending, from the configuration.
#[derive(Clone, Copy)]
pub(crate) struct SendBounds {
    pub(crate) life_s: u32,
    pub(crate) resend_s: u32,
    pub(crate) per_hour: u32,
}

/// What came of asking to store a new code.
pub(crate) enum Stored {
    Yes,
    /// Too early or too many: seconds until the next may be sent.
    NotBefore {
        retry_after_s: u32,
    },
}

/// Replaces the phone's code unless one was sent too recently or too many were.
/// One statement, so that parallel requests cannot both pass.
pub(crate) async fn store(
    client: &impl GenericClient,
    phone: &str,
    hash: &[u8],
    bounds: SendBounds,
) -> Result<Stored> {
    let life_s = f64::from(bounds.life_s);
    let resend_s = f64::from(bounds.resend_s);
    let per_hour = i32::try_from(bounds.per_hour).unwrap_or(i32::MAX);
    let stored = client
        .execute(
            "INSERT INTO crm.one_time_codes AS c (phone, hash, expires_at)
             VALUES ($1, $2, now() + make_interval(secs => $3))
             ON CONFLICT (phone) DO UPDATE SET
                 hash = excluded.hash, created_at = now(), expires_at = excluded.expires_at,
                 tries = 0,
                 sent_in_window = CASE WHEN c.window_started_at <= now() - interval '1 hour'
                                       THEN 1 ELSE c.sent_in_window + 1 END,
                 window_started_at = CASE WHEN c.window_started_at <= now() - interval '1 hour'
                                          THEN now() ELSE c.window_started_at END
             WHERE c.created_at <= now() - make_interval(secs => $4)
               AND (c.sent_in_window < $5 OR c.window_started_at <= now() - interval '1 hour')",
            &[&phone, &hash, &life_s, &resend_s, &per_hour],
        )
        .await?;
    if stored > 0 {
        return Ok(Stored::Yes);
    }
    let row = client
        .query_opt(
            "SELECT greatest(1, ceil(extract(epoch FROM greatest(
                 created_at + make_interval(secs => $2),
                 CASE WHEN sent_in_window >= $3
                      THEN window_started_at + interval '1 hour' END) - now())))::int
             FROM crm.one_time_codes WHERE phone = $1",
            &[&phone, &resend_s, &per_hour],
        )
        .await?;
    let wait: i32 = row.map_or(1, |row| row.get(0));
    Ok(Stored::NotBefore { retry_after_s: u32::try_from(wait).unwrap_or(1) })
}

/// Takes back a code that could not be sent: it does not count and nobody has to
/// wait for it.
pub(crate) async fn take_back(client: &impl GenericClient, phone: &str) -> Result<()> {
    client
        .execute(
            "UPDATE crm.one_time_codes SET created_at = '-infinity', expires_at = '-infinity',
                    sent_in_window = sent_in_window - 1 WHERE phone = $1",
            &[&phone],
        )
        .await?;
    Ok(())
}

/// A try at a code.
pub(crate) struct Try {
    pub(crate) hash: Vec<u8>,
    pub(crate) tries_left: u32,
}

/// Counts a try and returns what to compare with; `None` when there is no valid
/// code. Counting comes before comparing, so that parallel guesses cannot exceed
/// the bound.
pub(crate) async fn count_try(
    client: &impl GenericClient,
    phone: &str,
    max_tries: u32,
) -> Result<Option<Try>> {
    let max_tries = i32::try_from(max_tries).unwrap_or(i32::MAX);
    let row = client
        .query_opt(
            "UPDATE crm.one_time_codes SET tries = tries + 1
             WHERE phone = $1 AND expires_at > now() AND tries < $2
             RETURNING hash, $2 - tries AS tries_left",
            &[&phone, &max_tries],
        )
        .await?;
    Ok(row.map(|row| Try {
        hash: row.get("hash"),
        tries_left: u32::try_from(row.get::<_, i32>("tries_left")).unwrap_or(0),
    }))
}

/// Uses the code up; false when another request was first. With it goes the
/// count of codes sent: whoever has the phone is not the one to bound.
pub(crate) async fn consume(client: &impl GenericClient, phone: &str, hash: &[u8]) -> Result<bool> {
    let used = client
        .execute("DELETE FROM crm.one_time_codes WHERE phone = $1 AND hash = $2", &[&phone, &hash])
        .await?;
    Ok(used > 0)
}

/// Removes codes that bound nothing any more.
pub(crate) async fn sweep(client: &impl GenericClient) -> Result<u64> {
    Ok(client
        .execute(
            "DELETE FROM crm.one_time_codes
             WHERE expires_at < now() AND window_started_at < now() - interval '1 hour'",
            &[],
        )
        .await?)
}
