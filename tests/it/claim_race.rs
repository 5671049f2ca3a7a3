//! Two operators press "take" at the same instant: exactly one gets the
//! consultation, the other is told who has it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Client, text};
use crate::house::House;

const ROUNDS: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_claims_wins_and_the_other_learns_who() {
    let house = House::start().await;
    let operators = [
        house.operator("petrov@demo.housecall").await,
        house.operator("sokolova@demo.housecall").await,
    ];
    let patient = house.patient("+79005550100").await;
    let conversation = patient.conversation.clone().unwrap();
    let mut client = Client::connect(&house, &patient.token).await;

    for round in 0..ROUNDS {
        let question = text(&conversation, Uuid::now_v7(), &format!("вопрос {round}"));
        let ack = client.request("chat.send", question).await.unwrap();
        assert_eq!(ack["type"], "chat.ack", "{ack}");
        let consultation = open_consultation(&house, &patient.token).await;

        let claim = format!("/api/v1/consultations/{consultation}/claim");
        let body = json!({});
        let (first, second) = tokio::join!(
            house.post(&claim, Some(&operators[0].token), &body),
            house.post(&claim, Some(&operators[1].token), &body),
        );
        let mut outcomes = [(first, 0), (second, 1)];
        outcomes.sort_by_key(|((status, _), _)| *status);
        let [((won, summary), winner), ((lost, problem), _)] = outcomes;
        assert_eq!((won, lost), (200, 409), "{summary} {problem}");
        assert_eq!(problem["type"], "/problems/already-claimed");
        assert_eq!(problem["holder"]["id"], summary["operator"]["id"], "the loser learns who");

        let close = format!("/api/v1/consultations/{consultation}/close");
        let body = json!({ "summary": "Итог" });
        let (status, answer) = house.post(&close, Some(&operators[winner].token), &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let history = client.history(&conversation).await;
    let claims = history.iter().filter(|m| is_event(m, "consultation_claimed")).count();
    assert_eq!(claims, ROUNDS, "one claim a round is in the conversation");
    assert!(house.stop().await.success());
}

fn is_event(message: &Value, event: &str) -> bool {
    message["body"]["event"]["event"] == event
}

async fn open_consultation(house: &House, token: &str) -> String {
    let (status, home) = house.get("/api/v1/patient/home", token).await;
    assert_eq!(status, 200, "{home}");
    home["open"]["id"].as_str().expect("a question opened a consultation").to_owned()
}
