//! Columns that several queries share, and how they are read.

use housecall_protocol::PersonId;
use housecall_protocol::rest::{OperatorBrief, PatientBrief, Specialty};
use tokio_postgres::Row;

use super::{Result, StorageError};

/// Columns of a patient; needs `pp` (people) and `p` (patients).
pub(crate) const PATIENT_COLUMNS: &str = "pp.id AS patient_id, pp.name AS patient_name, \
     extract(year FROM age(p.birth_date))::int AS patient_age";

/// Columns of an operator; needs `op` (people) and `os` (specialties).
pub(crate) const OPERATOR_COLUMNS: &str = "op.id AS operator_id, op.name AS operator_name, \
     os.code AS os_code, os.name_ru AS os_name_ru, os.name_en AS os_name_en, \
     os.doctor_ru AS os_doctor_ru, os.doctor_en AS os_doctor_en";

/// Joins of an operator named by `operator_id` of `table`.
pub(crate) fn operator_joins(table: &str) -> String {
    format!(
        "LEFT JOIN crm.people op ON op.id = {table}.operator_id
         LEFT JOIN crm.operators o ON o.id = {table}.operator_id
         LEFT JOIN crm.specialties os ON os.code = o.specialty"
    )
}

pub(crate) fn patient(row: &Row) -> PatientBrief {
    PatientBrief {
        id: PersonId(row.get("patient_id")),
        name: row.get("patient_name"),
        age: row.get("patient_age"),
    }
}

pub(crate) fn operator(row: &Row) -> Option<OperatorBrief> {
    Some(OperatorBrief {
        id: PersonId(row.get::<_, Option<_>>("operator_id")?),
        name: row.get("operator_name"),
        specialty: specialty(row, "os_"),
    })
}

/// A specialty from columns that begin with `prefix`; absent when its code is null.
pub(crate) fn specialty(row: &Row, prefix: &str) -> Option<Specialty> {
    let text = |column: &str| -> Option<String> { row.get(format!("{prefix}{column}").as_str()) };
    Some(Specialty {
        code: text("code")?,
        name_ru: text("name_ru")?,
        name_en: text("name_en")?,
        doctor_ru: text("doctor_ru")?,
        doctor_en: text("doctor_en")?,
    })
}

/// A count column as the wire has it.
pub(crate) fn count(row: &Row, column: &str) -> Result<u32> {
    u32::try_from(row.get::<_, i64>(column)).map_err(|_| StorageError::Corrupt("a count"))
}
