//! Settings of the REST service, the `[crm_api]` section.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// The `[crm_api]` section. Every field has a default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub brand: BrandConfig,
    /// Where uploaded files are kept. Created when missing; empty means `files` in
    /// the data directory, which whoever starts the service fills in.
    pub files_dir: PathBuf,
    /// An S3 bucket for files instead of `files_dir`, the `[crm_api.s3]` section.
    pub s3: S3Config,
    /// Antivirus that speaks clamd's protocol: `tcp://HOST:PORT` or `unix:///PATH`.
    /// A file is served only after it was found clean. Empty: files are not scanned.
    pub scanner: String,
    /// Seconds a scan may take.
    pub scan_timeout_s: u32,
    /// Pictures decoded at once, for thumbnails; each may take eight bytes a pixel.
    pub image_workers: u32,
    /// Pictures of more million pixels get no thumbnail.
    pub image_max_megapixels: u32,
    /// Hours after which an upload that was not finished is forgotten.
    pub upload_life_h: u32,
    /// Unfinished uploads of one person.
    pub open_uploads_per_person: u32,
    /// Bytes one person may upload in 24 hours.
    pub upload_bytes_per_person_day: u64,
    /// Media types that may be uploaded, as sniffed from the content.
    pub file_types: Vec<String>,
    /// Life of an access token, seconds.
    pub access_token_s: u32,
    /// A device that was not used for so many days must sign in again.
    pub session_days: u32,
    /// A refresh token that was already used is honoured for so many seconds more:
    /// two tabs, or a lost answer. Later use ends the session.
    pub refresh_reuse_grace_s: u32,
    /// Life of a one-time code, seconds.
    pub code_life_s: u32,
    /// Wrong tries after which a code is void.
    pub code_tries: u32,
    /// Seconds before another code may be sent to the same phone.
    pub code_resend_s: u32,
    /// Codes sent to one phone in an hour without a sign-in.
    pub codes_per_phone_hour: u32,
    /// Codes asked for from one address.
    pub codes_per_address: RateLimit,
    /// Codes tried from one address.
    pub verifies_per_address: RateLimit,
    /// Password sign-ins tried for one e-mail.
    pub logins_per_email: RateLimit,
    /// Password sign-ins tried from one address.
    pub logins_per_address: RateLimit,
    /// Files uploaded by one person.
    pub uploads_per_person: RateLimit,
    /// Searches in messages by one person.
    pub searches_per_person: RateLimit,
    /// Database connections for searches in messages, apart from the others, so that
    /// no search keeps anybody else waiting.
    pub search_connections: usize,
    /// Milliseconds a search may take; it is refused as too broad then.
    pub search_timeout_ms: u32,
    /// Milliseconds between two merges of new messages into the search index. They are
    /// found before that too.
    pub search_merge_ms: u32,
    /// Passwords hashed at once; each takes about 20 MB and 30 ms of a core.
    pub password_hashers: u32,
    /// Life of a stream link, seconds. A link into a call's room ends with the call.
    pub stream_link_s: u32,
    /// Links into one room that are good at the same time.
    pub stream_links_per_room: u32,
    /// Where one-time codes are posted as JSON `{"phone", "text"}`. Empty: codes are
    /// printed in demo mode, and refused otherwise.
    pub sms_webhook_url: String,
    /// Header in which a trusted reverse proxy names the client; its last element
    /// counts. Empty: the address of the connection counts.
    pub client_address_header: String,
}

/// The `[crm_api.s3]` section: a bucket of S3 or of anything that speaks like it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    /// Empty: files are kept in `files_dir`.
    pub bucket: String,
    /// Empty: Amazon's own.
    pub endpoint: String,
    pub region: String,
    /// Empty: from the environment or the machine's role.
    pub access_key_id: String,
    /// Absent: from the environment or the machine's role.
    pub secret_access_key: Option<SecretString>,
    /// The bucket is a part of the host name, not of the path.
    pub virtual_hosted_style: bool,
}

impl PartialEq for S3Config {
    fn eq(&self, other: &Self) -> bool {
        let plain = |config: &Self| {
            let Self { bucket, endpoint, region, access_key_id, virtual_hosted_style, .. } =
                config.clone();
            (bucket, endpoint, region, access_key_id, virtual_hosted_style)
        };
        let secret = |config: &Self| {
            config.secret_access_key.as_ref().map(|it| it.expose_secret().to_owned())
        };
        plain(self) == plain(other) && secret(self) == secret(other)
    }
}

impl Eq for S3Config {}

/// White-label settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrandConfig {
    pub name: String,
    /// CSS colours by token: `brand`, `brand-strong`, `brand-soft`, `sidebar`.
    pub colors: BTreeMap<String, String>,
    /// A data or relative URL; empty means the built-in mark.
    pub logo_url: String,
    /// Shown to patients; empty means none.
    pub support_phone: String,
}

/// A leaky bucket: `burst` at once, then one every `every_s` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub burst: u32,
    pub every_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            brand: BrandConfig::default(),
            files_dir: PathBuf::new(),
            s3: S3Config::default(),
            scanner: String::new(),
            scan_timeout_s: 20,
            image_workers: 2,
            image_max_megapixels: 40,
            upload_life_h: 24,
            open_uploads_per_person: 8,
            upload_bytes_per_person_day: 1024 * 1024 * 1024,
            file_types: DEFAULT_FILE_TYPES.iter().map(ToString::to_string).collect(),
            access_token_s: 600,
            session_days: 30,
            refresh_reuse_grace_s: 10,
            code_life_s: 300,
            code_tries: 5,
            code_resend_s: 60,
            codes_per_phone_hour: 5,
            codes_per_address: RateLimit { burst: 60, every_s: 30 },
            verifies_per_address: RateLimit { burst: 120, every_s: 10 },
            logins_per_email: RateLimit { burst: 20, every_s: 15 },
            logins_per_address: RateLimit { burst: 120, every_s: 5 },
            uploads_per_person: RateLimit { burst: 60, every_s: 2 },
            searches_per_person: RateLimit { burst: 60, every_s: 1 },
            search_connections: 2,
            search_timeout_ms: 2000,
            search_merge_ms: 1000,
            password_hashers: 4,
            stream_link_s: 4 * 3600,
            stream_links_per_room: 8,
            sms_webhook_url: String::new(),
            client_address_header: String::new(),
        }
    }
}

impl Default for BrandConfig {
    fn default() -> Self {
        let colors = [
            ("brand", "#0b7a75"),
            ("brand-strong", "#075e5a"),
            ("brand-soft", "#e3f3f1"),
            ("sidebar", "#0a3f42"),
        ];
        Self {
            name: "Мой Доктор 24".to_owned(),
            colors: colors.map(|(token, color)| (token.to_owned(), color.to_owned())).into(),
            logo_url: String::new(),
            support_phone: String::new(),
        }
    }
}

const DEFAULT_FILE_TYPES: [&str; 21] = [
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/heif",
    "application/pdf",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "text/plain",
    "audio/mpeg",
    "audio/m4a",
    "audio/ogg",
    "video/mp4",
    "video/webm",
    "video/quicktime",
];

impl Config {
    /// The section with every default spelled out.
    pub const SAMPLE: &str = SAMPLE;
}

const SAMPLE: &str = r##"[crm_api]
# Where uploaded files are kept. Created when missing; empty means `files` in the
# data directory.
files_dir = ""
# Antivirus that speaks clamd's protocol, "tcp://HOST:PORT" or "unix:///PATH". A file
# is served only after it was found clean. Empty: files are not scanned.
scanner = ""
# Seconds a scan may take.
scan_timeout_s = 20
# Pictures decoded at once, for thumbnails; each may take eight bytes a pixel.
image_workers = 2
# Pictures of more million pixels get no thumbnail.
image_max_megapixels = 40
# Hours after which an upload that was not finished is forgotten.
upload_life_h = 24
# Unfinished uploads of one person.
open_uploads_per_person = 8
# Bytes one person may upload in 24 hours.
upload_bytes_per_person_day = 1073741824
# Media types that may be uploaded, as sniffed from the content.
file_types = [
    "image/jpeg", "image/png", "image/webp", "image/gif", "image/heif",
    "application/pdf",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "text/plain",
    "audio/mpeg", "audio/m4a", "audio/ogg",
    "video/mp4", "video/webm", "video/quicktime",
]
# Life of an access token, seconds.
access_token_s = 600
# A device that was not used for so many days must sign in again.
session_days = 30
# A refresh token that was already used is honoured for so many seconds more (two
# tabs, a lost answer). Later use ends the session.
refresh_reuse_grace_s = 10
# One-time codes: life in seconds, wrong tries, seconds before another, and how
# many in an hour without a sign-in.
code_life_s = 300
code_tries = 5
code_resend_s = 60
codes_per_phone_hour = 5
# Rate limits: `burst` at once, then one every `every_s` seconds.
codes_per_address = { burst = 60, every_s = 30 }
verifies_per_address = { burst = 120, every_s = 10 }
logins_per_email = { burst = 20, every_s = 15 }
logins_per_address = { burst = 120, every_s = 5 }
uploads_per_person = { burst = 60, every_s = 2 }
# Searches in messages by one person.
searches_per_person = { burst = 60, every_s = 1 }
# Database connections for searches in messages, apart from the others, so that no
# search keeps anybody else waiting.
search_connections = 2
# Milliseconds a search may take; it is refused as too broad then.
search_timeout_ms = 2000
# Milliseconds between two merges of new messages into the search index. They are found
# before that too.
search_merge_ms = 1000
# Passwords hashed at once; each takes about 20 MB and 30 ms of a core.
password_hashers = 4
# Links by which devices and programs publish into a room or play it (WHIP, WHEP): life in
# seconds, and how many of one room are good at the same time.
stream_link_s = 14400
stream_links_per_room = 8
# Where one-time codes are posted as JSON {"phone", "text"}.
# Empty: codes are printed in demo mode, and refused otherwise.
sms_webhook_url = ""
# Header in which a trusted reverse proxy names the client, as "x-forwarded-for".
# Empty: the address of the connection counts.
client_address_header = ""

# A bucket of S3, or of anything that speaks like it, instead of files_dir.
[crm_api.s3]
# Empty: files are kept in files_dir.
bucket = ""
# Empty: Amazon's own.
endpoint = ""
region = ""
# Without these two: from the environment or the machine's role.
access_key_id = ""
#secret_access_key = ""
# The bucket is a part of the host name, not of the path.
virtual_hosted_style = false

[crm_api.brand]
name = "Мой Доктор 24"
# A data or relative URL; empty means the built-in mark.
logo_url = ""
# Shown to patients; empty means none.
support_phone = ""

[crm_api.brand.colors]
brand = "#0b7a75"
brand-strong = "#075e5a"
brand-soft = "#e3f3f1"
sidebar = "#0a3f42"
"##;

#[cfg(test)]
mod tests {
    use figment::providers::{Format, Toml};
    use serde::de::DeserializeOwned;

    use super::{Config, SAMPLE};

    fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        figment::Figment::from(Toml::string(text)).extract().map_err(|error| error.to_string())
    }

    #[derive(serde::Deserialize)]
    struct Sample {
        crm_api: Config,
    }

    #[test]
    fn the_sample_says_the_defaults() {
        let sample: Sample = read(SAMPLE).expect("the sample parses");
        assert_eq!(sample.crm_api, Config::default());
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(read::<Config>("file_dir = \"x\"").is_err());
    }
}
