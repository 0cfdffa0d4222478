//! Who uses the program meanwhile: a teacher who uploads, learners who finish courses, and one who looks at whatever
//! can be seen and judges whether it is whole.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::material;

/// An upload that was answered with 201.
#[derive(Clone)]
pub struct Acknowledged {
    pub asset: Uuid,
    pub file_name: String,
    pub good: bool,
    pub word: Option<String>,
}

/// What was promised to people, and what they saw that should not be.
#[derive(Default)]
pub struct Promises {
    pub uploads: Mutex<Vec<Acknowledged>>,
    pub certificates: Mutex<Vec<Uuid>>,
    /// Things seen before they were published, or in part.
    pub half_visible: Mutex<Vec<String>>,
    /// How many looks were taken at published things.
    pub looks: AtomicU64,
    /// People go on beyond their targets.
    pub open: AtomicBool,
    /// People hold still while the judge looks.
    pub paused: AtomicBool,
    /// How many of the two have reached their targets and stopped.
    pub ended: AtomicU64,
}

#[derive(Clone)]
pub struct Person {
    http: reqwest::Client,
    token: String,
}

impl Person {
    /// Registers and signs in, as often as it takes.
    pub async fn new(fleet: &Fleet, name: &str, role: &str) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(15)).build()?;
        let mut person = Self { http, token: String::new() };
        let (email, password) = (format!("{}@example.org", Uuid::new_v4().simple()), "correct horse battery");
        let account = json!({"email": email, "name": name, "password": password, "role": role});
        for _ in 0..200 {
            let _ = person.ask(Method::POST, &format!("{}/auth/register", fleet.api), Some(account.clone())).await;
            let session = person.ask(Method::POST, &format!("{}/auth/login", fleet.api), Some(account.clone())).await;
            if let Ok((200, session)) = &session
                && let Some(token) = session["access_token"].as_str()
            {
                person.token = token.to_owned();
                return Ok(person);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("{name} cannot sign in at {}", fleet.api)
    }

    async fn ask(&self, method: Method, url: &str, body: Option<Value>) -> Result<(u16, Value)> {
        let mut request = self.http.request(method, url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_str(&response.text().await?).unwrap_or(Value::Null)))
    }

    /// A POST until it succeeds: whoever is killed meanwhile is asked again.
    pub async fn insist(&self, url: &str, body: Value) -> Result<Value> {
        let mut last = String::new();
        for _ in 0..300 {
            match self.ask(Method::POST, url, Some(body.clone())).await {
                Ok((200..=299, answer)) => return Ok(answer),
                // Enrolled already: an earlier try was not answered but done.
                Ok((409, answer)) => return Ok(answer),
                Ok((status, answer)) => last = format!("{status} {answer}"),
                Err(error) => last = format!("{error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        bail!("POST {url}: {last}")
    }
}

fn id(of: &Value) -> Result<Uuid> {
    of["id"].as_str().and_then(|id| id.parse().ok()).with_context(|| format!("an id in {of}"))
}

/// A published course of the teacher's.
pub async fn course(fleet: &Fleet, teacher: &Person, title: &str) -> Result<Uuid> {
    let course = id(&teacher.insist(&format!("{}/courses", fleet.api), json!({"title": title, "summary": "under fire"})).await?)?;
    teacher.insist(&format!("{}/courses/{course}/publish", fleet.api), json!({})).await?;
    Ok(course)
}

/// Uploads until there are `target` and nobody wants more; keeps the backlog small enough that kills hit all stages.
pub async fn upload(
    fleet: &Fleet,
    promises: &Promises,
    teacher: &Person,
    course: Uuid,
    target: u64,
    media: u64,
    dice: &Dice,
) -> Result<()> {
    for number in 0.. {
        if number >= target && !promises.open.load(Ordering::Relaxed) {
            promises.ended.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let piece = material::piece(number, media);
        let url = format!("{}/courses/{course}/assets", fleet.api);
        loop {
            let processing: i64 =
                sqlx::query_scalar("select count(*) from assets where state = 'processing'").fetch_one(&fleet.db).await.unwrap_or(i64::MAX);
            // Once the storm is over, what stands still will not move any more: a control may have seen to that.
            let crowded = processing > 24 && promises.open.load(Ordering::Relaxed);
            if crowded || promises.paused.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
            let request = teacher.http.post(&url).query(&[("file_name", &piece.file_name)]).bearer_auth(&teacher.token);
            let answer = async {
                let response = request.body(piece.bytes.clone()).send().await?;
                let status = response.status().as_u16();
                anyhow::Ok((status, response.json::<Value>().await?))
            };
            match answer.await {
                Ok((201, answer)) => {
                    let made = Acknowledged { asset: id(&answer)?, file_name: piece.file_name, good: piece.good, word: piece.word };
                    promises.uploads.lock().expect("promises").push(made);
                    break;
                }
                Ok((status @ 400..=499, answer)) => bail!("{} was refused: {status} {answer}", piece.file_name),
                // Not answered, or sorry: nothing was promised, and it is sent again.
                _ => tokio::time::sleep(dice.pause(50, 300)).await,
            }
        }
    }
    Ok(())
}

/// Learners finish small courses, each twice at the same time, and are promised certificates.
pub async fn learn(fleet: &Fleet, promises: &Promises, teacher: &Person, learners: &[Person], courses: u64, dice: &Dice) -> Result<()> {
    for number in 0.. {
        if number >= courses && !promises.open.load(Ordering::Relaxed) {
            promises.ended.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let course = course(fleet, teacher, &format!("Short course {number}")).await?;
        let module = id(&teacher.insist(&format!("{}/courses/{course}/modules", fleet.api), json!({"title": "Only"})).await?)?;
        let lesson = json!({"title": "One", "asset_ids": []});
        let lesson = id(&teacher.insist(&format!("{}/modules/{module}/lessons", fleet.api), lesson).await?)?;
        // A try that was not answered may have made a second module or lesson: all of them are completed.
        let lessons: Vec<Uuid> = loop {
            let rows = sqlx::query_scalar("select l.id from lessons l join modules m on m.id = l.module_id where m.course_id = $1")
                .bind(course)
                .fetch_all(&fleet.db)
                .await;
            match rows {
                Ok(rows) => break rows,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        debug_assert!(lessons.contains(&lesson));
        for learner in learners {
            while promises.paused.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            learner.insist(&format!("{}/courses/{course}/enrollments", fleet.api), json!({})).await?;
            let mut promised = None;
            for lesson in &lessons {
                let url = format!("{}/lessons/{lesson}/completion", fleet.api);
                let (one, other) = tokio::join!(learner.insist(&url, json!({})), learner.insist(&url, json!({})));
                promised = other?["certificate_id"].as_str().and_then(|id| id.parse().ok());
                promised = one?["certificate_id"].as_str().and_then(|id| id.parse().ok()).or(promised);
            }
            let promised = promised.context("a course that is completed promises a certificate")?;
            promises.certificates.lock().expect("promises").push(promised);
            tokio::time::sleep(dice.pause(300, 1500)).await;
        }
    }
    Ok(())
}

/// Looks at random things as an enrolled learner, until the future is dropped.
pub async fn look(fleet: &Fleet, promises: &Promises, learner: &Person, dice: &Dice) {
    loop {
        tokio::time::sleep(dice.pause(40, 160)).await;
        let chosen = {
            let uploads = promises.uploads.lock().expect("promises");
            // What came last is what may be half made.
            let recent = uploads.len().saturating_sub(40);
            dice.pick(&uploads[if dice.roll(4) == 0 { 0 } else { recent }..]).cloned()
        };
        let Some(chosen) = chosen else { continue };
        let Ok(before) = state(fleet, chosen.asset).await else { continue };
        let Ok(seen) = see(fleet, learner, &chosen).await else { continue };
        promises.looks.fetch_add(1, Ordering::Relaxed);
        let Ok(after) = state(fleet, chosen.asset).await else { continue };
        let mut wrong = Vec::new();
        if let Some(how) = seen.visible
            && after != "published"
        {
            wrong.push(format!("{} ({}) is {after}, and yet {how}", chosen.asset, chosen.file_name));
        }
        if before == "published"
            && let Some(missing) = seen.missing
        {
            wrong.push(format!("{} ({}) is published, and yet {missing}", chosen.asset, chosen.file_name));
        }
        promises.half_visible.lock().expect("promises").extend(wrong);
    }
}

async fn state(fleet: &Fleet, asset: Uuid) -> sqlx::Result<String> {
    sqlx::query_scalar("select state from assets where id = $1").bind(asset).fetch_one(&fleet.db).await
}

struct Seen {
    /// How it can be seen, if it can.
    visible: Option<&'static str>,
    /// What of it cannot be had.
    missing: Option<String>,
}

/// Errors are unavailability: they say nothing about what can be seen.
async fn see(fleet: &Fleet, learner: &Person, chosen: &Acknowledged) -> Result<Seen> {
    let mut seen = Seen { visible: None, missing: None };
    match learner.ask(Method::GET, &format!("{}/assets/{}", fleet.api, chosen.asset), None).await? {
        (200, _) => seen.visible = Some("its page answers"),
        (404, _) => seen.missing = Some("its page answers 404".into()),
        (status, _) => bail!("{status}"),
    }
    if let Some(word) = &chosen.word {
        let (status, found) = learner.ask(Method::GET, &format!("{}/search?q={word}", fleet.search), None).await?;
        anyhow::ensure!(status == 200, "{status}");
        if found["items"].to_string().contains(&chosen.asset.to_string()) {
            seen.visible = Some("search finds it");
        }
    }
    if seen.visible.is_some() && (chosen.file_name.ends_with(".mp4") || chosen.file_name.ends_with(".m4a")) {
        seen.missing = missing_of_stream(fleet, learner, chosen.asset).await?;
    }
    Ok(seen)
}

/// Plays a recording in full: the first address that does not answer with 200.
async fn missing_of_stream(fleet: &Fleet, learner: &Person, asset: Uuid) -> Result<Option<String>> {
    let (status, playback) = learner.ask(Method::GET, &format!("{}/assets/{asset}/playback", fleet.api), None).await?;
    match status {
        200 => {}
        404 | 409 => return Ok(Some(format!("its playback answers {status}"))),
        _ => bail!("{status}"),
    }
    let origin = fleet.api.trim_end_matches("/api/v1");
    let mut todo = vec![playback["hls_url"].as_str().context("an address to play")?.to_owned()];
    while let Some(url) = todo.pop() {
        let response = learner.http.get(format!("{origin}{url}")).send().await?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(Some(format!("{} is missing", url.rsplit('/').next().unwrap_or_default()))),
            status => bail!("{status}"),
        }
        let bytes = response.bytes().await?;
        if url.ends_with(".m3u8") {
            let base = &url[..url.rfind('/').unwrap_or(0)];
            let text = String::from_utf8_lossy(&bytes).into_owned();
            todo.extend(text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| format!("{base}/{line}")));
        }
    }
    Ok(None)
}
