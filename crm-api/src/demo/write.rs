//! Writes the demo data, in the order things happened.

mod messages;

use deadpool_postgres::Transaction;
use housecall_protocol::domain::{CallMedia, EndReason, SystemEvent, TimestampMs};
use housecall_protocol::{CallId, CallbackId, ConsultationId, ConversationId, PersonId};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::DemoError;
use super::people::{OPERATORS, PATIENTS};
use super::stories::{REQUESTS, Request, STORIES, Step, Story, WAITING, What};
use crate::files::FileStore;
use crate::storage;
use crate::storage::operators::NewOperatorRow;
use crate::storage::patients::ProfileChange;

type Result<T = ()> = std::result::Result<T, DemoError>;

/// Before the first story.
const REGISTERED_DAYS_AGO: i64 = 60;

/// What the writing of everything needs.
struct Writer<'a> {
    transaction: &'a Transaction<'a>,
    files: &'a FileStore,
    node: Uuid,
    now: Timestamp,
    operators: Vec<PersonId>,
    patients: Vec<(PersonId, ConversationId)>,
}

/// A consultation that is being written: where, who, and what time it is in it.
struct Scene {
    conversation: ConversationId,
    consultation: ConsultationId,
    patient: PersonId,
    doctor: PersonId,
    doctor_name: &'static str,
    clock: Timestamp,
}

pub(super) async fn everything(
    transaction: &Transaction<'_>,
    files: &FileStore,
    node: Uuid,
    password_hash: &str,
) -> Result {
    let now = Timestamp::now();
    let (operators, patients) = (Vec::new(), Vec::new());
    let mut writer = Writer { transaction, files, node, now, operators, patients };
    writer.people(password_hash).await?;
    // Conversations are written in the order of time, whatever order the stories
    // are told in.
    let mut stories: Vec<&Story> = STORIES.iter().collect();
    stories.sort_by_key(|story| std::cmp::Reverse(story.days_ago));
    for story in stories {
        writer.story(story).await?;
    }
    for request in &REQUESTS {
        writer.request(request).await?;
    }
    writer.waiting().await
}

impl Writer<'_> {
    async fn people(&mut self, password_hash: &str) -> Result {
        for operator in &OPERATORS {
            let row = NewOperatorRow {
                name: operator.name,
                email: operator.email,
                password_hash,
                role: operator.role,
                specialty: operator.specialty,
            };
            let id = storage::operators::insert(self.transaction, &row).await?;
            let taken = || DemoError::Database(format!("{} is taken", operator.email));
            self.operators.push(id.ok_or_else(taken)?);
        }
        for patient in &PATIENTS {
            let id = storage::patients::find_or_register(self.transaction, patient.phone).await?;
            let change = ProfileChange {
                name: Some(patient.name.to_owned()),
                birth_date: Some(patient.birth_date),
                city: Some(patient.city.to_owned()),
                time_zone: Some(patient.time_zone.to_owned()),
            };
            storage::patients::update(self.transaction, id, &change).await?;
            self.transaction
                .execute(
                    "UPDATE crm.people SET created_at = $2 WHERE id = $1",
                    &[&id.0, &self.ago(REGISTERED_DAYS_AGO * 24 * 60 * 60)],
                )
                .await?;
            let conversation =
                storage::conversations::lock_of_patient(self.transaction, id).await?;
            let missing = || DemoError::Database("a patient without a conversation".to_owned());
            self.patients.push((id, conversation.ok_or_else(missing)?));
        }
        Ok(())
    }

    fn ago(&self, seconds: i64) -> Timestamp {
        self.now - SignedDuration::from_secs(seconds)
    }

    async fn story(&self, story: &Story) -> Result {
        let (patient, conversation) = self.patients[story.patient];
        let opened_at = self.ago(story.days_ago * 24 * 60 * 60);
        let consultation = self.open(conversation, story.specialty, opened_at).await?;
        let mut scene = Scene {
            conversation,
            consultation,
            patient,
            doctor: self.operators[story.doctor],
            doctor_name: OPERATORS[story.doctor].name,
            clock: opened_at,
        };
        let (question, rest) = story.steps.split_first().expect("a story begins with a question");
        self.step(&mut scene, question).await?;
        self.claim(&mut scene, story.waited_s).await?;
        for step in rest {
            self.step(&mut scene, step).await?;
        }
        self.close(&mut scene, story.conclusion).await?;
        self.read_by(conversation, patient).await?;
        self.read_by(conversation, scene.doctor).await
    }

    async fn open(
        &self,
        conversation: ConversationId,
        specialty: Option<&str>,
        at: Timestamp,
    ) -> Result<ConsultationId> {
        let opened =
            storage::consultations::open(self.transaction, conversation, specialty).await?;
        self.move_to(conversation, opened.event_seq.unwrap_or(0), at).await?;
        self.transaction
            .execute(
                "UPDATE crm.consultations SET opened_at = $2, waiting_since = $2 WHERE id = $1",
                &[&opened.id.0, &at],
            )
            .await?;
        Ok(opened.id)
    }

    async fn claim(&self, scene: &mut Scene, waited_s: i64) -> Result {
        scene.clock += SignedDuration::from_secs(waited_s);
        storage::consultations::claim(self.transaction, scene.consultation, scene.doctor).await?;
        self.transaction
            .execute(
                "UPDATE crm.consultations SET claimed_at = $2 WHERE id = $1",
                &[&scene.consultation.0, &scene.clock],
            )
            .await?;
        let event = SystemEvent::ConsultationClaimed {
            consultation: scene.consultation,
            operator: scene.doctor,
            operator_name: scene.doctor_name.to_owned(),
            waited_s,
        };
        self.system(scene.conversation, Some(scene.consultation), &event, scene.clock).await
    }

    async fn close(&self, scene: &mut Scene, conclusion: &str) -> Result {
        scene.clock += SignedDuration::from_secs(90);
        storage::consultations::close(self.transaction, scene.consultation, conclusion).await?;
        self.transaction
            .execute(
                "UPDATE crm.consultations SET closed_at = $2 WHERE id = $1",
                &[&scene.consultation.0, &scene.clock],
            )
            .await?;
        let event = SystemEvent::ConsultationClosed {
            consultation: scene.consultation,
            operator: Some(scene.doctor),
            operator_name: Some(scene.doctor_name.to_owned()),
            summary: conclusion.to_owned(),
        };
        self.system(scene.conversation, Some(scene.consultation), &event, scene.clock).await
    }

    async fn step(&self, scene: &mut Scene, step: &Step) -> Result {
        scene.clock += SignedDuration::from_secs(step.after_s);
        match &step.what {
            What::Patient(text) => self.say(scene, scene.patient, "text", text, None).await,
            What::Doctor(text) => self.say(scene, scene.doctor, "text", text, None).await,
            What::Note(text) => self.say(scene, scene.doctor, "note", text, None).await,
            What::File { name, text, caption } => {
                let file = self.file(scene, name, text).await?;
                self.say(scene, scene.patient, "file", caption, Some(file)).await
            }
            What::Call { media, talk_s } => {
                let subject = (Some(scene.consultation), None);
                let parties = (scene.doctor, scene.patient);
                self.call(scene.conversation, subject, parties, *media, *talk_s, scene.clock)
                    .await?;
                Ok(())
            }
        }
    }

    /// A call that ended at `ended_at`, with its record in the conversation.
    async fn call(
        &self,
        conversation: ConversationId,
        (consultation, callback): (Option<ConsultationId>, Option<CallbackId>),
        (caller, callee): (PersonId, PersonId),
        media: CallMedia,
        talk_s: i64,
        ended_at: Timestamp,
    ) -> Result<CallId> {
        let call = CallId::generate();
        let accepted_at = ended_at - SignedDuration::from_secs(talk_s);
        let created_at = accepted_at - SignedDuration::from_secs(8);
        let media_name = match media {
            CallMedia::Audio => "audio",
            CallMedia::Video => "video",
        };
        self.transaction
            .execute(
                "INSERT INTO crm.calls (id, conversation_id, consultation_id, callback_id,
                     caller_id, callee_id, media, owner_node, owner_seen_at, created_at,
                     accepted_at, ended_at, end_reason)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $11, $9, $10, $11, 'hung_up')",
                &[
                    &call.0,
                    &conversation.0,
                    &consultation.map(|id| id.0),
                    &callback.map(|id| id.0),
                    &caller.0,
                    &callee.0,
                    &media_name,
                    &self.node,
                    &created_at,
                    &accepted_at,
                    &ended_at,
                ],
            )
            .await?;
        self.quality(call, (caller, callee)).await?;
        let event = SystemEvent::CallEnded {
            call,
            media,
            reason: EndReason::HungUp,
            started_by: caller,
            started_by_name: self.operator_name(caller).to_owned(),
            duration_s: talk_s,
        };
        self.system(conversation, consultation, &event, ended_at).await?;
        Ok(call)
    }

    /// As of a good call; the patient's network was a little worse.
    async fn quality(&self, call: CallId, (caller, callee): (PersonId, PersonId)) -> Result {
        let patient = |person| self.patients.iter().any(|(patient, _)| *patient == person);
        for person in [caller, callee] {
            let (mos, loss, rtt_ms): (f32, f32, f32) =
                if patient(person) { (4.18, 0.008, 74.0) } else { (4.36, 0.001, 28.0) };
            self.transaction
                .execute(
                    "INSERT INTO crm.call_quality (call_id, person_id, mos_mean, mos_min, loss_up,
                         loss_up_max, loss_down, loss_down_max, rtt_ms, rtt_max_ms, jitter_ms,
                         received_bps, sent_bps, freezes, first_frame_ms, path)
                     VALUES ($1, $2, $3, $4, $5, $6, $5, $6, $7, $8, 4, 980000, 1020000, 0, 410,
                         'udp')",
                    &[
                        &call.0,
                        &person.0,
                        &mos,
                        &(mos - 0.3),
                        &loss,
                        &(loss * 4.0),
                        &rtt_ms,
                        &(rtt_ms * 2.0),
                    ],
                )
                .await?;
        }
        Ok(())
    }

    fn operator_name(&self, id: PersonId) -> &'static str {
        let place = self.operators.iter().position(|operator| *operator == id);
        place.map_or("", |place| OPERATORS[place].name)
    }

    async fn request(&self, request: &Request) -> Result {
        let (patient, conversation) = self.patients[request.patient];
        let created_at = self.ago(request.minutes_ago * 60);
        let call_at =
            request.call_in_min.map(|minutes| self.now + SignedDuration::from_mins(minutes));
        let inserted = storage::callbacks::insert(
            self.transaction,
            conversation,
            patient,
            request.reason,
            call_at,
        )
        .await?;
        let id = inserted.ok_or_else(|| DemoError::Database("a second callback".to_owned()))?;
        self.transaction
            .execute(
                "UPDATE crm.callbacks SET created_at = $2 WHERE id = $1",
                &[&id.0, &created_at],
            )
            .await?;
        let event = SystemEvent::CallbackRequested {
            callback: id,
            reason: request.reason.to_owned(),
            call_at: call_at.map(TimestampMs::from),
        };
        self.system(conversation, None, &event, created_at).await?;
        if let Some((operator, talk_s)) = request.done {
            self.call_back(id, conversation, (operator, patient), talk_s, created_at).await?;
        }
        self.read_by(conversation, patient).await
    }

    async fn call_back(
        &self,
        id: CallbackId,
        conversation: ConversationId,
        (operator, patient): (usize, PersonId),
        talk_s: i64,
        created_at: Timestamp,
    ) -> Result {
        let operator = self.operators[operator];
        let taken_at = created_at + SignedDuration::from_mins(5);
        let ended_at = taken_at + SignedDuration::from_secs(20 + talk_s);
        let subject = (None, Some(id));
        let parties = (operator, patient);
        let call =
            self.call(conversation, subject, parties, CallMedia::Audio, talk_s, ended_at).await?;
        self.transaction
            .execute(
                "UPDATE crm.callbacks SET state = 'done', operator_id = $2, taken_at = $3,
                        finished_at = $4 WHERE id = $1",
                &[&id.0, &operator.0, &taken_at, &ended_at],
            )
            .await?;
        self.transaction
            .execute(
                "INSERT INTO crm.callback_attempts
                     (callback_id, call_id, operator_id, at, outcome, duration_s)
                 VALUES ($1, $2, $3, $4, 'hung_up', $5)",
                &[&id.0, &call.0, &operator.0, &taken_at, &talk_s],
            )
            .await?;
        self.system(conversation, None, &SystemEvent::CallbackDone { callback: id }, ended_at).await
    }

    async fn waiting(&self) -> Result {
        let (patient, conversation) = self.patients[WAITING.patient];
        let opened_at = self.ago(WAITING.minutes_ago * 60);
        let consultation = self.open(conversation, None, opened_at).await?;
        let mut scene = Scene {
            conversation,
            consultation,
            patient,
            doctor: self.operators[0],
            doctor_name: OPERATORS[0].name,
            clock: opened_at,
        };
        for text in WAITING.texts {
            self.say(&scene, patient, "text", text, None).await?;
            scene.clock += SignedDuration::from_secs(40);
        }
        self.read_by(conversation, patient).await
    }
}
