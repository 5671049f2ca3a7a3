//! The service over a real PostgreSQL, asked through its real router.

mod access;
mod audit;
mod callbacks;
mod calls;
mod claim;
mod consultations;
mod demo;
mod document;
mod files;
mod house;
mod operators;
mod pages;
mod patients;
mod problems;
mod s3;
mod scanner;
mod search;
mod sign_in;
mod sms;
mod streams;
mod tokens;
mod uploads;
