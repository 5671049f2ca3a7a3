//! Demo data: a small clinic with a history, filled in once.

/// Who can sign in to the demo.
pub struct DemoSignIns {
    /// Of all operators.
    pub password: String,
    pub operators: Vec<DemoOperator>,
    pub patients: Vec<DemoPatient>,
}

pub struct DemoOperator {
    pub email: String,
    pub name: String,
    pub role: String,
}

pub struct DemoPatient {
    pub phone: String,
    pub name: String,
}
