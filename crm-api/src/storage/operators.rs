//! Operators.

use deadpool_postgres::{GenericClient, Transaction};
use housecall_protocol::PersonId;
use housecall_protocol::domain::{PresenceStatus, Role};
use housecall_protocol::rest::{Operator, Specialty};
use tokio_postgres::Row;

use super::briefs::{count, specialty};
use super::{Result, StorageError};
use crate::identity::caller::parse_role;

/// What signing in needs.
pub(crate) struct Credentials {
    pub(crate) id: PersonId,
    pub(crate) password_hash: String,
    pub(crate) disabled: bool,
}

pub(crate) async fn credentials(
    client: &impl GenericClient,
    email: &str,
) -> Result<Option<Credentials>> {
    let row = client
        .query_opt(
            "SELECT id, password_hash, disabled FROM crm.operators WHERE email = $1",
            &[&email],
        )
        .await?;
    Ok(row.map(|row| Credentials {
        id: PersonId(row.get("id")),
        password_hash: row.get("password_hash"),
        disabled: row.get("disabled"),
    }))
}

const SELECT: &str = "SELECT pp.id, pp.name, o.email, o.role, o.disabled,
        s.code AS s_code, s.name_ru AS s_name_ru, s.name_en AS s_name_en,
        s.doctor_ru AS s_doctor_ru, s.doctor_en AS s_doctor_en,
        (SELECT count(*) FROM crm.consultations k
         WHERE k.operator_id = o.id AND k.state = 'active') AS active
    FROM crm.operators o JOIN crm.people pp ON pp.id = o.id
    LEFT JOIN crm.specialties s ON s.code = o.specialty";

/// All operators by name. A clinic's staff, hundreds at most: not paged.
pub(crate) async fn list(client: &impl GenericClient) -> Result<Vec<Operator>> {
    let rows = client.query(&format!("{SELECT} ORDER BY o.disabled, pp.name, pp.id"), &[]).await?;
    rows.iter().map(operator).collect()
}

pub(crate) async fn find(client: &impl GenericClient, id: PersonId) -> Result<Option<Operator>> {
    let row = client.query_opt(&format!("{SELECT} WHERE o.id = $1"), &[&id.0]).await?;
    row.as_ref().map(operator).transpose()
}

fn operator(row: &Row) -> Result<Operator> {
    Ok(Operator {
        id: PersonId(row.get("id")),
        name: row.get("name"),
        email: row.get("email"),
        role: parse_role(row.get("role")).ok_or(StorageError::Corrupt("role"))?,
        specialty: specialty(row, "s_"),
        disabled: row.get("disabled"),
        presence: PresenceStatus::Offline,
        active: count(row, "active")?,
    })
}

/// A new operator; fields are checked already.
pub(crate) struct NewOperatorRow<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) role: Role,
    pub(crate) specialty: Option<&'a str>,
}

/// `None` when the e-mail is taken.
pub(crate) async fn insert(
    transaction: &Transaction<'_>,
    new: &NewOperatorRow<'_>,
) -> Result<Option<PersonId>> {
    let id = PersonId::generate();
    transaction
        .execute(
            "INSERT INTO crm.people (id, kind, name) VALUES ($1, 'operator', $2)",
            &[&id.0, &new.name],
        )
        .await?;
    let inserted = transaction
        .execute(
            "INSERT INTO crm.operators (id, email, password_hash, role, specialty)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email) DO NOTHING",
            &[&id.0, &new.email, &new.password_hash, &new.role.as_str(), &new.specialty],
        )
        .await?;
    Ok((inserted > 0).then_some(id))
}

/// Fields to change; absent ones stay.
#[derive(Default)]
pub(crate) struct OperatorChange {
    pub(crate) name: Option<String>,
    pub(crate) role: Option<Role>,
    /// `Some(None)` takes the specialty away.
    pub(crate) specialty: Option<Option<String>>,
    pub(crate) disabled: Option<bool>,
    pub(crate) password_hash: Option<String>,
}

pub(crate) async fn update(
    transaction: &Transaction<'_>,
    id: PersonId,
    change: &OperatorChange,
) -> Result<()> {
    transaction
        .execute(
            "UPDATE crm.people SET name = coalesce($2, name) WHERE id = $1",
            &[&id.0, &change.name],
        )
        .await?;
    transaction
        .execute(
            "UPDATE crm.operators SET role = coalesce($2, role),
                    specialty = CASE WHEN $3 THEN $4 ELSE specialty END,
                    disabled = coalesce($5, disabled),
                    password_hash = coalesce($6, password_hash) WHERE id = $1",
            &[
                &id.0,
                &change.role.map(Role::as_str),
                &change.specialty.is_some(),
                &change.specialty.as_ref().and_then(Option::as_ref),
                &change.disabled,
                &change.password_hash,
            ],
        )
        .await?;
    Ok(())
}

/// Administrators who can sign in, their rows locked: two of them removing each
/// other at once must not both succeed.
pub(crate) async fn lock_admins(transaction: &Transaction<'_>) -> Result<Vec<PersonId>> {
    let rows = transaction
        .query(
            "SELECT id FROM crm.operators WHERE role = 'admin' AND NOT disabled
             ORDER BY id FOR UPDATE",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| PersonId(row.get(0))).collect())
}

/// Ids of operators who work with patients and can sign in.
pub(crate) async fn working(client: &impl GenericClient) -> Result<Vec<PersonId>> {
    let rows = client
        .query("SELECT id FROM crm.operators WHERE role <> 'admin' AND NOT disabled", &[])
        .await?;
    Ok(rows.iter().map(|row| PersonId(row.get(0))).collect())
}

pub(crate) async fn specialties(client: &impl GenericClient) -> Result<Vec<Specialty>> {
    let rows = client
        .query(
            "SELECT code, name_ru, name_en, doctor_ru, doctor_en FROM crm.specialties
             ORDER BY code = 'therapy' DESC, name_ru",
            &[],
        )
        .await?;
    Ok(rows.iter().filter_map(|row| specialty(row, "")).collect())
}

pub(crate) async fn specialty_exists(client: &impl GenericClient, code: &str) -> Result<bool> {
    let row = client.query_opt("SELECT 1 FROM crm.specialties WHERE code = $1", &[&code]).await?;
    Ok(row.is_some())
}
