//! What is found, how it opens, and what happens when a leg is missing.

use super::*;

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
        world
            .asset(
                course,
                Kind::Document,
                &format!("Lesson {n}"),
                None,
                &[section(&format!("momentum w{n} {}", "momentum ".repeat(n % 4)))],
            )
            .await;
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
    let cue = Draft {
        text: "Plants store light energy as sugar in their leaves.",
        locator: Locator::Time { start: 5.0, end: 9.0, cues: vec![(5.0, 0)] },
    };
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
    let closed = Handle::new(test.env.config.clone());
    let world = World::over(test, closed).await;
    let course = world.test.course(&world.owner, "published").await;
    let asset = world.asset(course, Kind::Document, "Plant leaves", None, &[section(PHOTOSYNTHESIS)]).await;
    let other = world.asset(course, Kind::Document, "Plant roots", None, &[section("Roots drink.")]).await;
    world.settle().await;
    let answer = world.search(&world.admin, "chlorophyll ").await;
    assert_eq!((answer.mode, answer.total), (Mode::Lexical, 1));
    assert!(answer.mode_reason.unwrap().contains("model"));
    let similar = world.searcher.similar(&world.test.env, &world.admin, asset, 10).await.unwrap();
    assert_eq!((similar.mode, similar.items.iter().map(|hit| hit.asset_id).collect::<Vec<_>>()), (Mode::Lexical, vec![other]));

    let with_model = Searcher::new(&world.test.env, model(&world.test));
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
