//! Under a steady load, one thing after another dies without a word and is
//! started again. Nothing acknowledged is lost, doubled or out of order; every
//! device comes back by itself and sees all of it.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::ALONE;
use super::checker::{check, check_the_checker};
use super::device::{Device, Phase, Progress};
use super::grid::{Grid, Kind};

const PATIENTS: usize = 4;
/// Acknowledgements each device gets between one death and the next.
const QUIET: u64 = 16;
/// By then every device is served again.
const RECOVERY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_whatever_dies() {
    let _alone = ALONE.lock().await;
    let mut grid = Grid::start().await;
    let (devices, progress) = devices(&grid).await;
    let (stop, stopping) = watch::channel(Phase::Writing);
    let lives = devices
        .into_iter()
        .map(|device| tokio::spawn(device.live(grid.doors.clone(), stopping.clone())));
    let lives: Vec<_> = lives.collect();

    all_are_served(&progress, "at first").await;
    let router = [(Kind::Router, 0), (Kind::Router, 1)];
    let gateway = [(Kind::Gateway, 0), (Kind::Gateway, 1)];
    let others = [(Kind::Presence, 0), (Kind::Crm, 0)];
    for (kind, number) in router.into_iter().chain(gateway).chain(others) {
        let killed = grid.kill(kind, number).await;
        grid.revive(killed).await;
        all_are_served(&progress, &format!("after {kind:?} {number}")).await;
    }
    for kind in [Kind::Router, Kind::Gateway] {
        let stopped = grid.stop(kind, 0).await;
        grid.revive(stopped).await;
        all_are_served(&progress, &format!("after an orderly stop of {kind:?}")).await;
    }
    // No router at all, for as long as it takes somebody to send in vain and again.
    let second = grid.kill(Kind::Router, 1).await;
    let first = grid.kill(Kind::Router, 0).await;
    somebody_resends(&progress).await;
    grid.revive(first).await;
    grid.revive(second).await;
    all_are_served(&progress, "after both routers").await;
    grid.restart_nats().await;
    all_are_served(&progress, "after NATS").await;
    grid.restart_postgres().await;
    all_are_served(&progress, "after PostgreSQL").await;

    stop.send_replace(Phase::Settling);
    all_are_settled(&progress).await;
    stop.send_replace(Phase::LastLook);
    let mut devices = Vec::new();
    for life in lives {
        let device = tokio::time::timeout(RECOVERY, life).await.expect("it sees all");
        devices.push(device.expect("it was served to the end"));
    }
    for device in &devices {
        assert!(device.connections >= 2, "every gateway died once under {}", device.name);
    }
    let handed_over: usize = devices.iter().map(|device| device.handed_over).sum();
    assert!(handed_over > 0, "a gateway that is told to stop says when to return");
    let database = grid.database().await;
    check(&database, &devices).await.unwrap();
    check_the_checker(&database, &devices).await;
    // The CRM, too, needed nobody's help.
    let (status, _) = grid.crm().get("/api/v1/patient/home", &devices[0].token).await;
    assert_eq!(status, 200);
}

/// Patients who write into their own conversations; a doctor who watches them all
/// on one device and writes into the first on another.
async fn devices(grid: &Grid) -> (Vec<Device>, Vec<Progress>) {
    let doctor = grid.crm().operator("petrov@demo.housecall").await;
    let mut all = Vec::new();
    let mut conversations = Vec::new();
    for number in 0..PATIENTS {
        let patient = grid.crm().patient(&format!("+7900555030{number}")).await;
        let (status, opened) =
            grid.crm().post("/api/v1/consultations", Some(&patient.token), &json!({})).await;
        assert!(status < 300, "{status} {opened}");
        let claim = format!("/api/v1/consultations/{}/claim", opened["id"].as_str().unwrap());
        let (status, answer) = grid.crm().post(&claim, Some(&doctor.token), &json!({})).await;
        assert_eq!(status, 200, "{answer}");
        let conversation = patient.conversation.unwrap();
        let name = format!("patient {number}");
        let watches = [conversation.clone()];
        all.push(Device::new(&name, &patient.token, Some(&conversation), &watches));
        conversations.push(conversation);
    }
    all.push(Device::new("doctor", &doctor.token, Some(&conversations[0]), &conversations[..1]));
    let (watcher, _) = Device::new("watching doctor", &doctor.token, None, &conversations);
    let (mut devices, progress): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    devices.push(watcher);
    (devices, progress)
}

/// Waits until a message went out once more.
async fn somebody_resends(progress: &[Progress]) {
    let resent = || progress.iter().map(Progress::resent).sum::<u64>();
    let before = resent();
    let again = async {
        while resent() == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(RECOVERY, again).await.expect("nobody is served, so somebody tries again");
}

/// Waits until everything that was written is acknowledged.
async fn all_are_settled(progress: &[Progress]) {
    let settled = async {
        while !progress.iter().all(Progress::is_settled) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(RECOVERY, settled).await.expect("all is acknowledged in the end");
}

/// Waits until every device had some more messages acknowledged.
async fn all_are_served(progress: &[Progress], when: &str) {
    let before: Vec<u64> = progress.iter().map(Progress::acknowledged).collect();
    let served = async {
        let waits = |(one, before): (&Progress, &u64)| one.acknowledged() < before + QUIET;
        while progress.iter().zip(&before).any(waits) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(RECOVERY, served)
        .await
        .unwrap_or_else(|_| panic!("{when}: not everybody is served again"));
}
