//! Who is in the demo clinic. Phones are of a range nobody has.

use housecall_protocol::domain::Role;
use jiff::civil::{Date, date};

pub(super) struct Operator {
    pub(super) email: &'static str,
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) specialty: Option<&'static str>,
}

/// Places in [`OPERATORS`].
pub(super) const PETROV: usize = 0;
pub(super) const SOKOLOVA: usize = 1;
pub(super) const BELOVA: usize = 2;

pub(super) const OPERATORS: [Operator; 5] = [
    Operator {
        email: "petrov@demo.housecall",
        name: "Илья Петров",
        role: Role::Doctor,
        specialty: Some("therapy"),
    },
    Operator {
        email: "sokolova@demo.housecall",
        name: "Мария Соколова",
        role: Role::Doctor,
        specialty: Some("cardiology"),
    },
    Operator {
        email: "belova@demo.housecall",
        name: "Ольга Белова",
        role: Role::Doctor,
        specialty: Some("pediatrics"),
    },
    Operator {
        email: "supervisor@demo.housecall",
        name: "Виктор Лебедев",
        role: Role::Supervisor,
        specialty: None,
    },
    Operator {
        email: "admin@demo.housecall",
        name: "Анна Орлова",
        role: Role::Admin,
        specialty: None,
    },
];

pub(super) struct Patient {
    pub(super) phone: &'static str,
    pub(super) name: &'static str,
    pub(super) birth_date: Date,
    pub(super) city: &'static str,
    pub(super) time_zone: &'static str,
}

/// Places in [`PATIENTS`].
pub(super) const SMIRNOVA: usize = 0;
pub(super) const KUZNETSOV: usize = 1;
pub(super) const VOLKOVA: usize = 2;
pub(super) const PAVLOVA: usize = 3;

pub(super) const PATIENTS: [Patient; 4] = [
    Patient {
        phone: "+79000000024",
        name: "Анна Смирнова",
        birth_date: date(1991, 5, 14),
        city: "Москва",
        time_zone: "Europe/Moscow",
    },
    Patient {
        phone: "+79000000025",
        name: "Сергей Кузнецов",
        birth_date: date(1968, 11, 2),
        city: "Екатеринбург",
        time_zone: "Asia/Yekaterinburg",
    },
    Patient {
        phone: "+79000000026",
        name: "Мария Волкова",
        birth_date: date(1987, 3, 27),
        city: "Казань",
        time_zone: "Europe/Moscow",
    },
    Patient {
        phone: "+79000000027",
        name: "Елена Павлова",
        birth_date: date(1979, 8, 9),
        city: "Новосибирск",
        time_zone: "Asia/Novosibirsk",
    },
];
