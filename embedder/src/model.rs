//! The model in this process: one small session for queries, so that a batch never delays a search, and sessions for
//! documents that are made when the first document asks for them.
//!
//! A text's vector does not depend on the texts beside it: the weights are fp32 and padding is masked, so batches
//! differ by rounding only. (Dynamically quantised weights would break that; see the test.)

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use fastembed::{InitOptionsUserDefined, Pooling, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use kernel::config::Config;
use sha2::{Digest, Sha256};

use crate::batches;
use crate::queries::Queries;
use crate::runtime::{self, Unavailable};

/// Name under which this model's vectors are stored.
pub const MODEL: &str = "all-MiniLM-L6-v2";
/// Counts what changes a vector for the same text: weights, truncation, pooling. Vectors of another version are not
/// compared with and are made anew.
pub const VERSION: i32 = 1;
/// Numbers in a vector.
pub const WIDTH: usize = 384;
/// Word pieces of a text that count, the model's own limit in training; the rest is cut off.
pub const MAX_TOKENS: usize = 256;

/// The length of a vector is 1, so the dot product of two is their cosine.
pub type Vector = Vec<f32>;

const FILES: [&str; 5] = ["model.onnx", "tokenizer.json", "config.json", "special_tokens_map.json", "tokenizer_config.json"];
const QUERIES_KEPT: usize = 512;

/// The model card's example sentence and the beginning of its vector. A model, a tokenizer or a runtime that does not
/// give it is not the one whose vectors are stored.
const PROBE: &str = "This is an example sentence";
const PROBE_VECTOR: [f32; 5] = [0.067_656_9, 0.063_495_9, 0.048_713_1, 0.079_304_9, 0.037_448];

/// The model, ready to use. Share it behind an `Arc`; its methods block and belong on a blocking thread.
pub struct Embedder {
    folder: PathBuf,
    environment: ort::environment::Environment,
    query: Mutex<TextEmbedding>,
    queries: Mutex<Queries>,
    documents: OnceLock<Vec<Mutex<TextEmbedding>>>,
    opening: Mutex<()>,
}

/// The model's files in memory, only while sessions are made of them.
struct Files {
    onnx: Vec<u8>,
    tokenizer: TokenizerFiles,
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedder({MODEL} v{VERSION})")
    }
}

impl Embedder {
    /// Loads the runtime and the model from the configured paths, checks the files against their `SHA256SUMS` and the
    /// model against its published vector. Takes about half a second.
    pub fn open(config: &Config) -> Result<Self, Unavailable> {
        if !config.embedder.enabled {
            return Err(Unavailable::new("embedding is switched off", "set embedder.enabled = true"));
        }
        Self::open_at(&config.paths.onnxruntime, &config.paths.model)
    }

    /// As [`Embedder::open`], with the library and the model's folder given.
    pub fn open_at(library: &Path, model: &Path) -> Result<Self, Unavailable> {
        let started = Instant::now();
        let files = Files::read(model)?;
        let environment = runtime::environment(library)?;
        let query = files.session(&environment).map_err(|error| broken(model, &format!("{error:#}")))?;
        let embedder = Self {
            folder: model.to_owned(),
            environment,
            query: Mutex::new(query),
            queries: Mutex::new(Queries::new(QUERIES_KEPT)),
            documents: OnceLock::new(),
            opening: Mutex::new(()),
        };
        embedder.prove().map_err(|error| broken(model, &format!("{error:#}")))?;
        tracing::info!(took_ms = started.elapsed().as_millis() as u64, "opened embedding model {MODEL}");
        Ok(embedder)
    }

    /// The vector of a question, from the session that nothing else uses, or from the questions asked lately.
    pub fn query(&self, text: &str) -> Result<Arc<Vector>> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(vector) = lock(&self.queries).get(&text) {
            return Ok(vector);
        }
        let mut vectors = run(&mut lock(&self.query), &[&text]).context("embed a query")?;
        let vector = Arc::new(vectors.pop().context("the model gave no vector")?);
        lock(&self.queries).keep(&text, vector.clone());
        Ok(vector)
    }

    /// The vectors of texts, in the order of the texts. Give it a page at a time: memory grows with what is given.
    pub fn documents(&self, texts: &[&str]) -> Result<Vec<Vector>> {
        let sessions = self.document_sessions()?;
        let lengths = self.lengths(texts)?;
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&index| lengths[index]);
        let sorted: Vec<usize> = order.iter().map(|&index| lengths[index]).collect();
        let work: Vec<&[usize]> = batches::cut(&sorted).into_iter().map(|range| &order[range]).collect();

        let next = Mutex::new(work.into_iter());
        let embed = |session: &Mutex<TextEmbedding>| -> Result<Vec<(usize, Vector)>> {
            let mut session = lock(session);
            let mut made = Vec::new();
            while let Some(batch) = { lock(&next).next() } {
                let texts: Vec<&str> = batch.iter().map(|&index| texts[index]).collect();
                made.extend(batch.iter().copied().zip(run(&mut session, &texts).context("embed a batch")?));
            }
            Ok(made)
        };
        let mut vectors = vec![Vector::new(); texts.len()];
        for made in in_parallel(sessions, embed) {
            for (index, vector) in made? {
                vectors[index] = vector;
            }
        }
        Ok(vectors)
    }

    fn lengths(&self, texts: &[&str]) -> Result<Vec<usize>> {
        let tokenizer = lock(&self.query).tokenizer.clone();
        texts
            .iter()
            .map(|text| Ok(tokenizer.encode_fast(*text, true).map_err(|e| anyhow::anyhow!(e)).context("count tokens")?.len()))
            .collect()
    }

    /// One session per core with one thread each: a session of two threads spends a quarter of its time in waiting.
    fn document_sessions(&self) -> Result<&[Mutex<TextEmbedding>]> {
        let _opening = lock(&self.opening);
        if let Some(sessions) = self.documents.get() {
            return Ok(sessions);
        }
        let count = std::thread::available_parallelism().map_or(1, |cores| cores.get()).min(4);
        let files = Files::read(&self.folder)?;
        let sessions: Vec<_> = (0..count).map(|_| files.session(&self.environment).map(Mutex::new)).collect::<Result<_>>()?;
        Ok(self.documents.get_or_init(|| sessions))
    }

    fn prove(&self) -> Result<()> {
        let vector = self.query(PROBE)?;
        let furthest = vector.iter().zip(PROBE_VECTOR).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        ensure!(furthest < 1e-4, "its vector of {PROBE:?} is {furthest} off the published one");
        Ok(())
    }
}

impl Files {
    fn read(folder: &Path) -> Result<Self, Unavailable> {
        let mut files = HashMap::new();
        for name in FILES {
            let path = folder.join(name);
            let bytes = std::fs::read(&path).map_err(|error| {
                Unavailable::new(
                    format!("cannot read {} of the embedding model: {error}", path.display()),
                    "run `make setup`, or set assets.model to the folder of all-MiniLM-L6-v2",
                )
            })?;
            files.insert(name, bytes);
        }
        check_sums(folder, &files)?;
        let mut take = |name| files.remove(name).unwrap_or_default();
        Ok(Self {
            onnx: take("model.onnx"),
            tokenizer: TokenizerFiles {
                tokenizer_file: take("tokenizer.json"),
                config_file: take("config.json"),
                special_tokens_map_file: take("special_tokens_map.json"),
                tokenizer_config_file: take("tokenizer_config.json"),
            },
        })
    }

    /// Lengths and padding that the tokenizer's file brings along are for somebody else; fastembed sets ours.
    fn session(&self, environment: &ort::environment::Environment) -> Result<TextEmbedding> {
        let model = UserDefinedEmbeddingModel::new(self.onnx.clone(), self.tokenizer.clone()).with_pooling(Pooling::Mean);
        let options = InitOptionsUserDefined::new()
            .with_environment(environment.clone())
            .with_max_length(MAX_TOKENS)
            .with_intra_threads(1)
            // these two fusions are slower than what they replace (ONNX Runtime 1.31 on CPUs, measured)
            .with_session_config("optimization.disable_specified_optimizers", "SkipLayerNormFusion;BiasGeluFusion");
        TextEmbedding::try_new_from_user_defined(model, options).context("open the embedding model")
    }
}

/// A `SHA256SUMS` beside the files, if there is one, must agree with them.
fn check_sums(folder: &Path, files: &HashMap<&str, Vec<u8>>) -> Result<(), Unavailable> {
    let Ok(sums) = std::fs::read_to_string(folder.join("SHA256SUMS")) else { return Ok(()) };
    for line in sums.lines() {
        let Some((wanted, name)) = line.split_once("  ") else { continue };
        if let Some(bytes) = files.get(name)
            && hex::encode(Sha256::digest(bytes)) != wanted
        {
            return Err(broken(&folder.join(name), "its SHA-256 is not the one in SHA256SUMS"));
        }
    }
    Ok(())
}

fn broken(path: &Path, why: &str) -> Unavailable {
    Unavailable::new(
        format!("the embedding model at {} cannot be used, {why}", path.display()),
        "delete the folder and run `make setup`, or set assets.model to the folder of all-MiniLM-L6-v2",
    )
}

/// One run of the model: all texts at once, in the order given.
fn run(session: &mut TextEmbedding, texts: &[&str]) -> Result<Vec<Vector>> {
    let vectors = session.embed(texts, Some(texts.len().max(1)))?;
    ensure!(vectors.len() == texts.len(), "{} texts gave {} vectors", texts.len(), vectors.len());
    for vector in &vectors {
        ensure!(vector.len() == WIDTH, "a vector has {} numbers instead of {WIDTH}", vector.len());
        ensure!(vector.iter().all(|number| number.is_finite()), "a vector has a number that is none");
    }
    Ok(vectors)
}

fn in_parallel<S: Sync, T: Send>(sessions: &[S], work: impl Fn(&S) -> T + Sync) -> Vec<T> {
    let Some((first, others)) = sessions.split_first() else { return Vec::new() };
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = others.iter().map(|session| scope.spawn(move || work(session))).collect();
        let mut results = vec![work(first)];
        for thread in running {
            results.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

/// A panic inside the runtime leaves a session as it was before the run: there is nothing to protect from.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The model that `make setup` installs. Its absence fails these tests, on purpose.
    fn embedder() -> &'static Embedder {
        static EMBEDDER: OnceLock<Embedder> = OnceLock::new();
        EMBEDDER.get_or_init(|| {
            let config = Config::load(None).expect("the default configuration");
            Embedder::open(&config).expect("the embedding model; run `make setup`")
        })
    }

    fn texts() -> Vec<String> {
        let words =
            ["a", "gradient", "descends", "the", "surface", "of", "its", "loss", "until", "it", "rests", "chlorophyll", "mitosis", "1789"];
        (0..40).map(|n| (0..1 + n * 9).map(|i| words[(i * 7 + n * 3) % words.len()]).collect::<Vec<_>>().join(" ")).collect()
    }

    fn distance(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_vector_does_not_depend_on_the_texts_beside_it() {
        let texts = texts();
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        let together = embedder().documents(&all).unwrap();
        let reversed: Vec<&str> = all.iter().rev().copied().collect();
        let shuffled = embedder().documents(&reversed).unwrap();
        for (index, text) in all.iter().enumerate() {
            let alone = embedder().documents(&[text]).unwrap().remove(0);
            assert!(distance(&alone, &together[index]) <= 1e-5, "text {index} in order");
            assert!(distance(&alone, &shuffled[all.len() - 1 - index]) <= 1e-5, "text {index} in reverse");
            assert!(distance(&alone, &embedder().query(text).unwrap()) <= 1e-5, "text {index} as a query");
        }
        // the comparison can fail: another text has another vector
        assert!(distance(&together[0], &together[1]) > 1e-2);
    }

    #[test]
    fn vectors_have_length_one_and_meaning() {
        let texts = ["How do plants turn light into sugar?", "Photosynthesis in the chloroplast", "The French Revolution began in 1789"];
        let vectors = embedder().documents(&texts).unwrap();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        for vector in &vectors {
            assert!((dot(vector, vector) - 1.0).abs() < 1e-5);
        }
        assert!(dot(&vectors[0], &vectors[1]) > dot(&vectors[0], &vectors[2]) + 0.2);
    }

    #[test]
    fn what_lies_beyond_the_last_token_does_not_count() {
        let long = "word ".repeat(MAX_TOKENS);
        let longer = format!("{long} and something else entirely");
        let vectors = embedder().documents(&[&long, &longer]).unwrap();
        assert!(distance(&vectors[0], &vectors[1]) <= 1e-5);
    }

    #[test]
    fn an_empty_text_has_a_vector_too() {
        assert_eq!(embedder().documents(&["", " "]).unwrap().len(), 2);
        assert!(embedder().documents(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_missing_library_or_model_is_an_answer_and_not_a_panic() {
        let config = Config::load(None).unwrap();
        let nowhere = Path::new("/nonexistent/libonnxruntime.so");
        let error = Embedder::open_at(nowhere, &config.paths.model).unwrap_err();
        assert!(error.what.contains("/nonexistent/libonnxruntime.so") && error.fix.contains("make setup"), "{error}");
        let error = Embedder::open_at(&config.paths.onnxruntime, Path::new("/nonexistent")).unwrap_err();
        assert!(error.what.contains("/nonexistent/model.onnx"), "{error}");
    }

    #[test]
    fn a_model_with_one_flipped_bit_is_refused() {
        let config = Config::load(None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in FILES.into_iter().chain(["SHA256SUMS"]) {
            std::fs::copy(config.paths.model.join(name), folder.path().join(name)).unwrap();
        }
        Embedder::open_at(&config.paths.onnxruntime, folder.path()).expect("the copy is as good as the model");
        let path = folder.path().join("model.onnx");
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = Embedder::open_at(&config.paths.onnxruntime, folder.path()).unwrap_err();
        assert!(error.what.contains("SHA-256"), "{error}");
    }
}
