//! One-time codes: six digits, once, for a few minutes and a few tries.

use aws_lc_rs::{constant_time, hmac};
use deadpool_postgres::Client;

use crate::app::App;
use crate::problem::ApiError;
use crate::storage;
use crate::storage::codes::{SendBounds, Stored};

const DIGITS: usize = 6;

/// Stores a fresh code for the phone and returns it.
pub(crate) async fn issue(app: &App, client: &Client, phone: &str) -> Result<String, ApiError> {
    let code = generate()?;
    let bounds = SendBounds {
        life_s: app.config.code_life_s,
        resend_s: app.config.code_resend_s,
        per_hour: app.config.codes_per_phone_hour,
    };
    let hash = hash(app.keys.code_secret(), phone, &code);
    match storage::codes::store(client, phone, hash.as_ref(), bounds).await? {
        Stored::Yes => Ok(code),
        Stored::NotBefore { retry_after_s } => Err(ApiError::RateLimited { retry_after_s }),
    }
}

/// Checks a typed code, counting the try. Returns the proof with which
/// [`storage::codes::consume`] uses the code up.
pub(crate) async fn check(
    app: &App,
    client: &Client,
    phone: &str,
    typed: &str,
) -> Result<Vec<u8>, ApiError> {
    let typed: String = typed.chars().filter(|character| !character.is_whitespace()).collect();
    if typed.len() != DIGITS || !typed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::invalid("code", "six digits"));
    }
    let attempt = storage::codes::count_try(client, phone, app.config.code_tries)
        .await?
        .ok_or(ApiError::CodeExpired)?;
    let hash = hash(app.keys.code_secret(), phone, &typed);
    constant_time::verify_slices_are_equal(hash.as_ref(), &attempt.hash)
        .map_err(|_| ApiError::WrongCode { tries_left: attempt.tries_left })?;
    Ok(attempt.hash)
}

fn hash(secret: &hmac::Key, phone: &str, code: &str) -> hmac::Tag {
    hmac::sign(secret, format!("{phone}:{code}").as_bytes())
}

/// Uniform over all six-digit codes: what would make the first ones likelier is
/// drawn again.
fn generate() -> Result<String, ApiError> {
    const CODES: u32 = 1_000_000;
    const FAIR_BELOW: u32 = u32::MAX - u32::MAX % CODES;
    loop {
        let mut bytes = [0; 4];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ApiError::Internal)?;
        let drawn = u32::from_le_bytes(bytes);
        if drawn < FAIR_BELOW {
            return Ok(format!("{:06}", drawn % CODES));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::generate;

    #[test]
    fn a_code_is_six_digits() {
        for _ in 0..200 {
            let code = generate().expect("randomness");
            assert_eq!(code.len(), 6);
            assert!(code.bytes().all(|byte| byte.is_ascii_digit()));
        }
    }
}
