//! How a one-time code reaches the phone.

use std::time::Duration;

use housecall_platform::service::Settings;

use crate::config::Config;
use crate::problem::ApiError;

const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// The SMS gateway's address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmsError {
    #[error("crm_api.sms_webhook_url must be an https:// or http:// address")]
    Scheme,
    #[error("SMS gateway client: {0}")]
    Client(#[from] reqwest::Error),
}

/// The configured way. An enum and not a trait: both are here.
pub(crate) enum SmsSender {
    /// Demo mode: a line in the terminal, outside the log, which must not carry
    /// phones and codes.
    Terminal,
    /// POSTs `{"phone", "text"}` to an SMS gateway.
    Webhook { url: reqwest::Url, client: reqwest::Client },
    /// Nothing is configured.
    None,
}

impl SmsSender {
    pub(crate) fn new(config: &Config, settings: &Settings) -> Result<Self, SmsError> {
        if !config.sms_webhook_url.is_empty() {
            let url = reqwest::Url::parse(&config.sms_webhook_url)
                .ok()
                .filter(|url| matches!(url.scheme(), "https" | "http"))
                .ok_or(SmsError::Scheme)?;
            let client = reqwest::Client::builder().timeout(WEBHOOK_TIMEOUT).build()?;
            return Ok(Self::Webhook { url, client });
        }
        if settings.demo {
            return Ok(Self::Terminal);
        }
        tracing::warn!("no SMS gateway is configured: patients cannot sign in");
        Ok(Self::None)
    }

    #[expect(clippy::print_stdout, reason = "demo mode shows the code to whoever runs it")]
    pub(crate) async fn send_code(
        &self,
        phone: &str,
        code: &str,
        brand: &str,
    ) -> Result<(), ApiError> {
        match self {
            Self::Terminal => {
                println!("  SMS to {phone}: {code}");
                Ok(())
            }
            Self::Webhook { url, client } => {
                let text = format!("{code} - код для входа, {brand}");
                let message = serde_json::json!({ "phone": phone, "text": text });
                let sent = client.post(url.clone()).json(&message).send().await;
                sent.and_then(reqwest::Response::error_for_status).map(drop).map_err(|error| {
                    tracing::error!(error = %error.without_url(), "SMS gateway");
                    ApiError::SmsUnavailable
                })
            }
            Self::None => Err(ApiError::SmsUnavailable),
        }
    }
}
