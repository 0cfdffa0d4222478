//! Searching as a whole: real rows, a real index, the real model. Who may see what is compared with a small model of
//! its own that knows nothing of how it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use embedder::Embedder;
use kernel::config::Config;
use kernel::events::Cause;
use kernel::http::{Principal, Role};
use kernel::id::{AssetId, CourseId};
use kernel::index_marks;
use kernel::jobs::{self, Runner};
use kernel::locator::Locator;
use kernel::media::Kind;
use kernel::pipeline::{EmbedChunks, UpdateIndex};
use kernel::testing::TestEnv;
use uuid::Uuid;

use crate::answer::{Mode, SearchAnswer};
use crate::search::{Query, Refused, Searcher};

/// The model that `make setup` installs. Its absence fails these tests, on purpose.
static MODEL: LazyLock<Arc<Embedder>> =
    LazyLock::new(|| Arc::new(Embedder::open(&Config::load(None).expect("the default configuration")).expect("the embedding model; run `make setup`")));

struct World {
    test: TestEnv,
    runner: Runner,
    searcher: Searcher,
    admin: Principal,
    owner: Principal,
}

struct Draft<'a> {
    text: &'a str,
    locator: Locator,
}

fn section(text: &str) -> Draft<'_> {
    Draft { text, locator: Locator::Section { start: 0, end: text.len() as u32 } }
}

impl World {
    async fn new() -> Self {
        let test = TestEnv::new().await;
        embedder::schema::ensure(&mut test.owner().await).await.unwrap().expect("pgvector");
        Self::over(test, Some(MODEL.clone())).await
    }

    async fn over(test: TestEnv, model: Option<Arc<Embedder>>) -> Self {
        let mut runner = Runner::new(test.env.clone());
        indexer::register(&mut runner);
        embedder::register(&mut runner, Ok(MODEL.clone()));
        let searcher = Searcher::new(&test.env, model);
        let (admin, owner) = (test.account(Role::Admin).await, test.account(Role::Instructor).await);
        Self { test, runner, searcher, admin, owner }
    }

    async fn asset(&self, course: CourseId, kind: Kind, title: &str, parent: Option<AssetId>, chunks: &[Draft<'_>]) -> AssetId {
        let id = self.test.asset(&self.owner, course, title, title.as_bytes()).await;
        let mut tx = self.test.env.db.begin().await.unwrap();
        sqlx::query("update assets set kind = $2, parent_id = $3, state = 'published', published_at = now() where id = $1")
            .bind(id.0)
            .bind(kind.as_str())
            .bind(parent.map(|id| id.0))
            .execute(&mut *tx)
            .await
            .unwrap();
        for (ordinal, chunk) in chunks.iter().enumerate() {
            let hash = [Uuid::new_v5(&Uuid::nil(), chunk.text.as_bytes()).into_bytes(); 2].concat();
            sqlx::query("insert into chunks (id, asset_id, ordinal, text, locator, content_hash, tokens) values ($1, $2, $3, $4, $5, $6, 9)")
                .bind(Uuid::new_v5(&id.0, format!("{ordinal} {}", chunk.text).as_bytes()))
                .bind(id.0)
                .bind(ordinal as i32)
                .bind(chunk.text)
                .bind(serde_json::to_value(&chunk.locator).unwrap())
                .bind(hash)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        index_marks::mark(&mut tx, id).await.unwrap();
        jobs::enqueue(&mut tx, EmbedChunks { asset_id: id }, &Cause::default()).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Lets index and vectors catch up.
    async fn settle(&self) {
        jobs::enqueue(&mut self.test.env.db.acquire().await.unwrap(), UpdateIndex {}, &Cause::default()).await.unwrap();
        self.runner.drain().await.unwrap();
    }

    async fn set(&self, sql: &'static str, id: Uuid) {
        sqlx::query(sql).bind(id).execute(&self.test.env.db).await.unwrap();
    }

    async fn search(&self, who: &Principal, text: &str) -> SearchAnswer {
        let query = Query { text: text.into(), limit: 100, ..Query::default() };
        self.searcher.search(&self.test.env, who, &query).await.unwrap()
    }
}

const PHOTOSYNTHESIS: &str = "Chlorophyll absorbs light, and the chloroplast turns water and carbon dioxide into sugar.";
const REVOLUTION: &str = "In 1789 the Third Estate declared itself a National Assembly, and the Bastille fell.";
const DESCENT: &str = "The learning rate decides how far each step goes down the slope of the loss.";

#[tokio::test]
async fn words_and_meaning_find_together() {
    let world = World::new().await;
    let course = world.test.course(&world.owner, "published").await;
    let plants = world.asset(course, Kind::Document, "Leaves", None, &[section(PHOTOSYNTHESIS)]).await;
    let france = world.asset(course, Kind::Document, "France", None, &[section(REVOLUTION)]).await;
    world.asset(course, Kind::Document, "Optimisation", None, &[section(DESCENT)]).await;
    world.settle().await;

    let answer = world.search(&world.admin, "how do plants make food from sunshine").await;
    assert_eq!((answer.mode, answer.items[0].asset_id), (Mode::Hybrid, plants), "found by meaning: no word is the same");
    let answer = world.search(&world.admin, "Bastille").await;
    assert_eq!((answer.items[0].asset_id, answer.items[0].label.as_str()), (france, "part 1"));
    assert!(answer.items[0].snippet.contains("the <mark>Bastille</mark> fell"));
    assert_eq!(answer.items[0].url, format!("/read/{france}?chunk=0"));
    let answer = world.search(&world.admin, "\"carbon dioxide\"").await;
    assert_eq!(answer.items.iter().map(|hit| hit.asset_id).collect::<Vec<_>>(), [plants], "a phrase must be there");
    for nonsense in ["((((( *** ", "xqzvw blorfgh", "🦀"] {
        let answer = world.search(&world.admin, nonsense).await;
        assert_eq!((answer.items.len(), answer.total), (0, 0), "{nonsense}: {answer:?}");
    }
}

#[tokio::test]
async fn captions_open_their_video_at_the_second() {
    let world = World::new().await;
    let course = world.test.course(&world.owner, "published").await;
    let video = world.asset(course, Kind::Video, "Lecture 3", None, &[]).await;
    let text = format!("Welcome back. {DESCENT} When it is too large the loss diverges.");
    let second_cue = "Welcome back. ".len() as u32;
    let third_cue = second_cue + DESCENT.len() as u32 + 1;
    let locator = Locator::Time { start: 2.0, end: 90.0, cues: vec![(2.0, 0), (61.5, second_cue), (73.2, third_cue)] };
    world.asset(course, Kind::Captions, "lecture-3.vtt", Some(video), &[Draft { text: &text, locator }]).await;
    world.settle().await;

    let answer = world.search(&world.admin, "why does the loss diverge").await;
    let hit = &answer.items[0];
    assert_eq!((hit.asset_id, hit.kind, hit.title.as_str(), hit.label.as_str()), (video, Kind::Video, "Lecture 3", "1:13"));
    assert_eq!(hit.url, format!("/watch/{video}?t=73.2"));
    assert_eq!(answer.total, 1, "video and captions are one hit");
    assert_eq!(world.search(&world.admin, "learning rate").await.items[0].url, format!("/watch/{video}?t=61.5"));
    assert_eq!(world.search(&world.admin, "lecture 3").await.items[0].asset_id, video);

    world.set("update assets set state = 'processing', published_at = null where id = $1", video.0).await;
    let answer = world.search(&world.admin, "learning rate").await;
    assert_eq!(answer.items[0].kind, Kind::Captions, "captions whose video cannot be watched are read");
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps_and_repetitions() {
    let world = World::new().await;
    let course = world.test.course(&world.owner, "published").await;
    for n in 0..23 {
        world.asset(course, Kind::Document, &format!("Lesson {n}"), None, &[section(&format!("momentum w{n} {}", "momentum ".repeat(n % 4)))]).await;
    }
    world.settle().await;
    let whole = world.search(&world.admin, "momentum").await;
    assert_eq!((whole.total, whole.items.len(), whole.next_cursor.clone()), (23, 23, None));
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let query = Query { text: "momentum".into(), limit: 5, after, ..Query::default() };
        let page = world.searcher.search(&world.test.env, &world.admin, &query).await.unwrap();
        assert_eq!(page.total, 23);
        paged.extend(page.items);
        let Some(cursor) = page.next_cursor else { break };
        after = Some(kernel::http::Cursor::decode(&cursor).unwrap());
    }
    assert_eq!(paged, whole.items);
}

#[tokio::test]
async fn similar_assets_are_near_in_meaning_and_never_the_asset_itself() {
    let world = World::new().await;
    let course = world.test.course(&world.owner, "published").await;
    let plants = world.asset(course, Kind::Document, "Leaves", None, &[section(PHOTOSYNTHESIS)]).await;
    let sugar = world.asset(course, Kind::Video, "Sugar", None, &[]).await;
    let cue = Draft { text: "Plants store light energy as sugar in their leaves.", locator: Locator::Time { start: 5.0, end: 9.0, cues: vec![(5.0, 0)] } };
    world.asset(course, Kind::Captions, "sugar.vtt", Some(sugar), &[cue]).await;
    world.asset(course, Kind::Document, "France", None, &[section(REVOLUTION)]).await;
    world.settle().await;
    let similar = async |asset| world.searcher.similar(&world.test.env, &world.admin, asset, 10).await.unwrap();
    let of_plants = similar(plants).await;
    assert_eq!((of_plants.items[0].asset_id, of_plants.mode), (sugar, Mode::Vector));
    assert!(of_plants.items.iter().all(|hit| hit.asset_id != plants));
    let of_sugar = similar(sugar).await;
    assert_eq!(of_sugar.items[0].asset_id, plants, "a video is compared by its captions");
    assert!(of_sugar.items.iter().all(|hit| hit.title != "sugar.vtt" && hit.asset_id != sugar));
}

#[tokio::test]
async fn without_model_or_extension_search_goes_by_words_and_says_so() {
    let test = TestEnv::new().await;
    let world = World::over(test, None).await;
    let course = world.test.course(&world.owner, "published").await;
    let asset = world.asset(course, Kind::Document, "Plant leaves", None, &[section(PHOTOSYNTHESIS)]).await;
    let other = world.asset(course, Kind::Document, "Plant roots", None, &[section("Roots drink.")]).await;
    world.settle().await;
    let answer = world.search(&world.admin, "chlorophyll ").await;
    assert_eq!((answer.mode, answer.total), (Mode::Lexical, 1));
    assert!(answer.mode_reason.unwrap().contains("model"));
    let similar = world.searcher.similar(&world.test.env, &world.admin, asset, 10).await.unwrap();
    assert_eq!((similar.mode, similar.items.iter().map(|hit| hit.asset_id).collect::<Vec<_>>()), (Mode::Lexical, vec![other]));

    let with_model = Searcher::new(&world.test.env, Some(MODEL.clone()));
    let query = Query { text: "chlorophyll".into(), limit: 5, ..Query::default() };
    let answer = with_model.search(&world.test.env, &world.admin, &query).await.unwrap();
    assert_eq!(answer.mode, Mode::Lexical);
    assert!(answer.mode_reason.unwrap().contains("pgvector"));
}

#[tokio::test]
async fn without_an_index_search_goes_by_meaning_and_asks_for_a_new_one() {
    let world = World::new().await;
    let course = world.test.course(&world.owner, "published").await;
    let plants = world.asset(course, Kind::Document, "Leaves", None, &[section(PHOTOSYNTHESIS)]).await;
    world.settle().await;
    std::fs::remove_dir_all(&world.test.env.config.paths.index).unwrap();
    let answer = world.search(&world.admin, "how do plants make food").await;
    assert_eq!((answer.mode, answer.items[0].asset_id), (Mode::Vector, plants));
    world.runner.drain().await.unwrap();
    assert_eq!(world.search(&world.admin, "chlorophyll").await.mode, Mode::Hybrid);
}

#[tokio::test]
async fn too_long_and_empty_questions_are_refused() {
    let world = World::new().await;
    let ask = async |text: &str| {
        let query = Query { text: text.into(), limit: 5, ..Query::default() };
        world.searcher.search(&world.test.env, &world.admin, &query).await
    };
    assert!(matches!(ask(&"x".repeat(1 << 20)).await, Err(Refused::TooLong(_))));
    assert!(matches!(ask("  \n ").await, Err(Refused::Empty)));
}

#[tokio::test]
async fn what_is_indexed_but_gone_from_the_rows_does_not_leave() {
    let world = World::new().await;
    let course = world.test.course(&world.owner, "published").await;
    let plants = world.asset(course, Kind::Document, "Leaves", None, &[section(PHOTOSYNTHESIS), section("Chlorophyll again.")]).await;
    world.settle().await;
    world.set("delete from chunks where asset_id = $1 and ordinal = 1", plants.0).await;
    let answer = world.search(&world.admin, "\"chlorophyll again\"").await;
    assert_eq!(answer.total, 0, "the index still has it, the rows do not");
    world.set("delete from assets where id = $1", plants.0).await;
    assert_eq!(world.search(&world.admin, "chlorophyll").await.total, 0);
}

/// Pseudo-random numbers of a fixed beginning (xorshift64*): the same world every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }
}

/// The oracle: who may see what, in the words of the product.
#[derive(Default)]
struct Oracle {
    owner: BTreeMap<CourseId, usize>,
    published_courses: BTreeSet<CourseId>,
    enrolled: BTreeSet<(usize, CourseId)>,
    assets: BTreeMap<AssetId, CourseId>,
    published_assets: BTreeSet<AssetId>,
}

impl Oracle {
    fn sees(&self, person: usize, role: Role, asset: AssetId) -> bool {
        let course = self.assets[&asset];
        let in_course = role == Role::Admin
            || self.owner[&course] == person
            || (self.published_courses.contains(&course) && self.enrolled.contains(&(person, course)));
        in_course && self.published_assets.contains(&asset)
    }
}

#[tokio::test]
async fn nobody_ever_finds_what_they_may_not_see() {
    let mut dice = Dice(0x5EED);
    let world = World::new().await;
    let mut people = Vec::new();
    for role in [Role::Admin, Role::Instructor, Role::Instructor, Role::Student, Role::Student, Role::Student, Role::Student] {
        people.push(world.test.account(role).await);
    }
    let mut oracle = Oracle::default();
    let mut secrets = BTreeMap::new();
    let mut courses = Vec::new();
    for number in 0..8 {
        let owner = 1 + dice.roll(2);
        let course = world.test.course(&people[owner], "draft").await;
        let secret = format!("zq{:06x}x{number}", dice.roll(1 << 24));
        oracle.owner.insert(course, owner);
        for n in 0..3 {
            let title = format!("Momentum {number}.{n} {secret}");
            let text = format!("Momentum carries the step over small hills; {secret} is said in lesson {n} of course {number}.");
            let asset = world.asset(course, Kind::Document, &title, None, &[section(&text), section(&format!("Momentum again, {secret}."))]).await;
            oracle.assets.insert(asset, course);
            oracle.published_assets.insert(asset);
        }
        secrets.insert(course, secret);
        courses.push(course);
    }
    world.settle().await;
    let assets: Vec<AssetId> = oracle.assets.keys().copied().collect();

    let mut found_something = 0;
    for _ in 0..40 {
        change(&world, &mut oracle, &mut dice, &people, &courses, &assets).await;
        for _ in 0..2 {
            let person = dice.roll(people.len());
            let who = &people[person];
            let wanted: BTreeSet<AssetId> = assets.iter().copied().filter(|asset| oracle.sees(person, who.role, *asset)).collect();
            // by words, by meaning, by a phrase, by what is not finished, by a secret that may not be theirs
            let stranger = &secrets[&courses[dice.roll(courses.len())]];
            for text in ["momentum", "going over hills", "\"small hills\"", "moment", stranger.as_str(), &stranger[..4]] {
                let answer = world.search(who, text).await;
                let found: BTreeSet<AssetId> = answer.items.iter().map(|hit| hit.asset_id).collect();
                assert!(found.is_subset(&wanted), "{text} found what {person} may not see");
                assert_eq!(answer.total, answer.items.len(), "{text}: the total counts what is shown");
                if ["momentum", "\"small hills\"", "moment"].contains(&text) {
                    assert_eq!(found, wanted, "{text}: everything visible is found");
                }
                found_something += found.len();
                let said = serde_json::to_string(&answer).unwrap();
                for (course, secret) in &secrets {
                    let visible = wanted.iter().any(|asset| oracle.assets[asset] == *course);
                    assert!(visible || !said.contains(secret.as_str()), "{text} told a secret");
                }
            }
            if let Some(asset) = wanted.first() {
                let similar = world.searcher.similar(&world.test.env, who, *asset, 100).await.unwrap();
                let found: BTreeSet<AssetId> = similar.items.iter().map(|hit| hit.asset_id).collect();
                assert!(found.is_subset(&wanted) && !found.contains(asset));
            }
        }
    }
    // negative control: with the filter opened to all courses, the same searches would have found more
    let hidden = people.iter().enumerate().flat_map(|(person, who)| assets.iter().map(move |asset| (person, who.role, *asset)));
    assert!(hidden.filter(|(person, role, asset)| !oracle.sees(*person, *role, *asset)).count() > 0 && found_something > 100);
    assert_eq!(world.search(&people[0], "momentum").await.items.len(), oracle.published_assets.len());
}

/// Something happens to somebody.
async fn change(world: &World, oracle: &mut Oracle, dice: &mut Dice, people: &[Principal], courses: &[CourseId], assets: &[AssetId]) {
    let course = courses[dice.roll(courses.len())];
    match dice.roll(5) {
        0 | 1 => {
            let person = dice.roll(people.len());
            if oracle.enrolled.insert((person, course)) {
                world.test.enrol(&people[person], course).await;
            }
        }
        2 => {
            if let Some(&(person, course)) = oracle.enrolled.iter().nth(dice.roll(oracle.enrolled.len().max(1))) {
                oracle.enrolled.remove(&(person, course));
                sqlx::query("delete from enrollments where account_id = $1 and course_id = $2")
                    .bind(people[person].account_id.0)
                    .bind(course.0)
                    .execute(&world.test.env.db)
                    .await
                    .unwrap();
            }
        }
        3 => {
            if dice.roll(3) > 0 {
                oracle.published_courses.insert(course);
                world.set("update courses set state = 'published' where id = $1", course.0).await;
            } else {
                oracle.published_courses.remove(&course);
                world.set("update courses set state = 'archived' where id = $1", course.0).await;
            }
        }
        _ => {
            let asset = assets[dice.roll(assets.len())];
            if oracle.published_assets.remove(&asset) {
                world.set("update assets set state = 'processing', published_at = null where id = $1", asset.0).await;
            } else {
                oracle.published_assets.insert(asset);
                world.set("update assets set state = 'published', published_at = now() where id = $1", asset.0).await;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_does_not_change_with_what_is_hidden() {
    let world = World::new().await;
    let (open, closed) = (world.test.course(&world.owner, "published").await, world.test.course(&world.owner, "draft").await);
    let learner = world.test.account(Role::Student).await;
    world.test.enrol(&learner, open).await;
    for (n, text) in [PHOTOSYNTHESIS, REVOLUTION, DESCENT].into_iter().enumerate() {
        world.asset(open, Kind::Document, &format!("Lesson {n}"), None, &[section(text), section(&format!("Momentum {n} and light."))]).await;
    }
    world.settle().await;
    let ask = async || {
        let mut answers = Vec::new();
        for text in ["light", "learning rate of momentum", "how do plants eat", "chlor", "\"third estate\"", "lesson"] {
            let SearchAnswer { items, total, next_cursor, .. } = world.search(&learner, text).await;
            answers.push(serde_json::to_string(&(items, total, next_cursor)).unwrap());
        }
        answers
    };
    let before = ask().await;
    for n in 0..20 {
        let text = format!("Light light chlorophyll chlorine learning rate of the third estate, hidden {n}.");
        world.asset(closed, Kind::Document, "Lesson on light", None, &[section(&text)]).await;
    }
    world.settle().await;
    assert_eq!(ask().await, before);
    // and it would have shown: who may see both courses gets other scores
    let SearchAnswer { items, .. } = world.search(&world.admin, "light").await;
    assert!(items.len() > 3);
}

mod over_http {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode, header};
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    async fn get(app: &Router, bearer: Option<&str>, path: &str) -> (StatusCode, Value) {
        let mut request = Request::get(path);
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{path}: no JSON: {body:?}")))
    }

    #[tokio::test]
    async fn requests_are_answered_or_refused_with_a_code() {
        let world = World::new().await;
        let course = world.test.course(&world.owner, "published").await;
        let plants = world.asset(course, Kind::Document, "Leaves", None, &[section(PHOTOSYNTHESIS)]).await;
        world.settle().await;
        let (learner, stranger) = (world.test.account(Role::Student).await, world.test.account(Role::Student).await);
        world.test.enrol(&learner, course).await;
        let (learner, stranger) = (world.test.bearer(&learner), world.test.bearer(&stranger));
        let World { test, searcher, .. } = world;
        let (app, _) = crate::router(Arc::new(searcher)).with_state(test.env.clone()).split_for_parts();

        let (status, answer) = get(&app, Some(&learner), "/search?q=chlorophyll&limit=1").await;
        assert_eq!((status, &answer["total"], &answer["mode"]), (StatusCode::OK, &Value::from(1), &Value::from("hybrid")));
        let hit = &answer["items"][0];
        assert_eq!(hit["asset_id"], Value::from(plants.to_string()));
        assert_eq!(hit["locator"]["type"], Value::from("section"));
        let (_, answer) = get(&app, Some(&stranger), "/search?q=chlorophyll").await;
        assert_eq!(answer["total"], Value::from(0));
        let (_, answer) = get(&app, Some(&learner), &format!("/search?q=chlorophyll&course_id={}", CourseId::new())).await;
        assert_eq!(answer["total"], Value::from(0));

        let long = format!("/search?q={}", "x".repeat(2000));
        let similar = format!("/assets/{plants}/similar");
        for (who, path, status, code) in [
            (None, "/search?q=x", 401, "unauthorized"),
            (Some(&learner), "/search", 400, "query_invalid"),
            (Some(&learner), "/search?q=%20", 400, "query_empty"),
            (Some(&learner), &long, 400, "query_too_long"),
            (Some(&learner), "/search?q=x&limit=0", 400, "limit_invalid"),
            (Some(&learner), "/search?q=x&limit=many", 400, "query_invalid"),
            (Some(&learner), "/search?q=x&cursor=nonsense", 400, "cursor_invalid"),
            (Some(&learner), "/search?q=x&course_id=7", 400, "query_invalid"),
            (Some(&learner), "/assets/7/similar", 404, "not_found"),
            (Some(&stranger), &similar, 404, "not_found"),
            (None, &similar, 401, "unauthorized"),
        ] {
            let (got, problem) = get(&app, who.map(String::as_str), path).await;
            assert_eq!((got.as_u16(), problem["code"].as_str()), (status, Some(code)), "{path}");
        }
        let (status, answer) = get(&app, Some(&learner), &similar).await;
        assert_eq!((status, &answer["items"]), (StatusCode::OK, &Value::Array(vec![])));
    }
}
