//! Who finds what, compared with an oracle that knows nothing of how it is done.

use super::*;

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
            let asset =
                world.asset(course, Kind::Document, &title, None, &[section(&text), section(&format!("Momentum again, {secret}."))]).await;
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
        world
            .asset(open, Kind::Document, &format!("Lesson {n}"), None, &[section(text), section(&format!("Momentum {n} and light."))])
            .await;
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

#[tokio::test]
async fn another_version_is_found_from_the_exchange_on_whatever_the_index_knows_of_it() {
    let world = World::new().await;
    let course = world.test.course(&world.owner, "published").await;
    let learner = world.test.account(Role::Student).await;
    world.test.enrol(&learner, course).await;
    let old = "The quarrion nests in hollow trees beside the northern rivers.";
    let new = "The quarrion sleeps through the winter in the southern plains.";
    let shown = world.asset(course, Kind::Document, "Birds", None, &[section(old)]).await;
    let version = world.asset(course, Kind::Document, "Birds ", None, &[section(new)]).await;
    sqlx::query("update assets set state = 'processing', version_of = $2, version = 2 where id = $1")
        .bind(version.0)
        .bind(shown.0)
        .execute(&world.test.env.db)
        .await
        .unwrap();
    world.settle().await;
    let found = async |word: &str| -> Vec<(AssetId, String)> {
        let question = indexer::Question::parse(word, usize::MAX).unwrap();
        let mut conn = world.test.env.db.acquire().await.unwrap();
        let scope = crate::scope::Scope::of(&mut conn, &learner, None).await.unwrap();
        let lexical = world.searcher.by_words(&world.test.env, &scope, &question, 100).await.unwrap().hits;
        let legs = crate::legs::Legs { lexical, ..Default::default() };
        let ranked = crate::hits::rank(&mut conn, &scope, &legs).await.unwrap();
        let hits = crate::hits::render(&mut conn, &scope, &ranked, &question).await.unwrap();
        hits.into_iter().map(|hit| (hit.asset_id, hit.snippet)).collect()
    };
    assert_eq!((found("nests").await.len(), found("sleeps").await.len()), (1, 0), "it is in the index, and nobody's yet");

    // What the switch does, as far as it is about search; the index is not told.
    for sql in [
        "update chunks set ordinal = case when asset_id = $1 then 1 else 2 end where asset_id in ($1, $2)",
        "update chunks set asset_id = case when asset_id = $1 then $2 else $1 end where asset_id in ($1, $2)",
        "update assets set state = 'kept' where id = $2 and $1 <> $2",
        "delete from index_state where asset_id = $2 and $1 <> $2",
        "insert into index_dirty (asset_id) values ($1), ($2)",
    ] {
        sqlx::query(sql).bind(shown.0).bind(version.0).execute(&world.test.env.db).await.unwrap();
    }
    for moment in ["before the index knows", "when the index knows"] {
        let hits = found("sleeps").await;
        assert_eq!((hits.len(), found("nests").await.len()), (1, 0), "{moment}: {hits:?}");
        assert!(hits[0].0 == shown && hits[0].1.contains("<mark>"), "{moment}: {hits:?}");
        world.settle().await;
    }
}
