//! The part of PDFium that reading text needs, by raw FFI, loaded at run time.
//!
//! Owns loading the library, the handles and their lifetimes. Knows nothing of lines or words. PDFium is not
//! thread-safe: [`Pdfium::with`] lets one caller in at a time.

use std::ffi::{CString, c_char, c_double, c_int, c_uint, c_ulong, c_void};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::Library;

/// The library cannot be used. A matter of installation, not of the document.
#[derive(Debug, thiserror::Error)]
#[error("load PDFium from {}: {reason}", path.display())]
pub struct PdfiumMissing {
    pub path: PathBuf,
    pub reason: String,
}

/// Why a document did not open. The numbers are PDFium's `FPDF_ERR_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// A password or a security handler that is not known.
    Encrypted,
    Damaged,
}

type Handle = *mut c_void;

/// `FPDF_LIBRARY_CONFIG`, version 2.
#[repr(C)]
struct LibraryConfig {
    version: c_int,
    user_font_paths: *const *const c_char,
    isolate: *mut c_void,
    v8_embedder_slot: c_uint,
}

/// `FS_RECTF`: page coordinates in points, y upwards.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rect {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

/// `FS_MATRIX`: x' = ax + cy + e, y' = bx + dy + f.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Matrix {
    pub a: f32,
    pub b: f32,
    pub c: f32,
    pub d: f32,
    pub e: f32,
    pub f: f32,
}

macro_rules! functions {
    ($($field:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)+) => {
        struct Functions { $($field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)+ }

        impl Functions {
            fn load(library: &Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    // SAFETY: the signatures are those of PDFium's public headers (fpdfview.h, fpdf_text.h), which
                    // are stable; the pointers are used only while `library` is loaded, see `Pdfium`.
                    $($field: unsafe { *library.get($symbol.as_bytes())? },)+
                })
            }
        }
    };
}

functions! {
    init = "FPDF_InitLibraryWithConfig": fn(*const LibraryConfig);
    last_error = "FPDF_GetLastError": fn() -> c_ulong;
    load_document = "FPDF_LoadDocument": fn(*const c_char, *const c_char) -> Handle;
    close_document = "FPDF_CloseDocument": fn(Handle);
    page_count = "FPDF_GetPageCount": fn(Handle) -> c_int;
    load_page = "FPDF_LoadPage": fn(Handle, c_int) -> Handle;
    close_page = "FPDF_ClosePage": fn(Handle);
    page_box = "FPDF_GetPageBoundingBox": fn(Handle, *mut Rect) -> c_int;
    rotation = "FPDFPage_GetRotation": fn(Handle) -> c_int;
    load_text = "FPDFText_LoadPage": fn(Handle) -> Handle;
    close_text = "FPDFText_ClosePage": fn(Handle);
    count_chars = "FPDFText_CountChars": fn(Handle) -> c_int;
    unicode = "FPDFText_GetUnicode": fn(Handle, c_int) -> c_uint;
    is_generated = "FPDFText_IsGenerated": fn(Handle, c_int) -> c_int;
    is_hyphen = "FPDFText_IsHyphen": fn(Handle, c_int) -> c_int;
    loose_box = "FPDFText_GetLooseCharBox": fn(Handle, c_int, *mut Rect) -> c_int;
    font_size = "FPDFText_GetFontSize": fn(Handle, c_int) -> c_double;
    matrix = "FPDFText_GetMatrix": fn(Handle, c_int, *mut Matrix) -> c_int;
    origin = "FPDFText_GetCharOrigin": fn(Handle, c_int, *mut c_double, *mut c_double) -> c_int;
}

/// The loaded and initialised library.
pub struct Pdfium {
    call: Functions,
    // Unloaded after the pointers above are gone; in practice never, since the library lives as long as the process.
    _library: Library,
}

static LOADED: OnceLock<Mutex<Pdfium>> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

impl Pdfium {
    /// Calls `work` with the library, loading it first if this process has not done so. Only the first path counts.
    pub fn with<T>(path: &Path, work: impl FnOnce(&Pdfium) -> T) -> Result<T, PdfiumMissing> {
        let loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if LOADED.get().is_none() {
            let pdfium = Self::load(path).map_err(|error| PdfiumMissing { path: path.to_owned(), reason: error.to_string() })?;
            // Nobody else can have set it: `loading` is held.
            let _ = LOADED.set(Mutex::new(pdfium));
        }
        drop(loading);
        let pdfium = LOADED.get().expect("it was set above").lock().unwrap_or_else(PoisonError::into_inner);
        Ok(work(&pdfium))
    }

    fn load(path: &Path) -> Result<Self, libloading::Error> {
        // SAFETY: loading runs the library's initialisers; the path comes from the operator's configuration.
        let library = unsafe { Library::new(path)? };
        let call = Functions::load(&library)?;
        // No folders of system fonts: text must not depend on what is installed on this machine.
        // PDFium keeps the pointer, so the list lives as long as the process.
        let no_fonts: &'static [*const c_char; 1] = Box::leak(Box::new([ptr::null()]));
        let config = LibraryConfig { version: 2, user_font_paths: no_fonts.as_ptr(), isolate: ptr::null_mut(), v8_embedder_slot: 0 };
        // SAFETY: called once per process (see `with`), with a configuration of the version it names, whose
        // list of fonts ends with a null and is never freed.
        unsafe { (call.init)(&config) };
        Ok(Self { call, _library: library })
    }

    /// Opens a document without a password.
    pub fn open(&self, path: &Path) -> Result<Document<'_>, OpenError> {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| OpenError::Damaged)?;
        // SAFETY: the path is a C string that lives through the call; a null password is allowed.
        let handle = unsafe { (self.call.load_document)(path.as_ptr(), ptr::null()) };
        if handle.is_null() {
            // SAFETY: no preconditions; must follow the failed call directly.
            return Err(match unsafe { (self.call.last_error)() } {
                4 | 5 => OpenError::Encrypted,
                _ => OpenError::Damaged,
            });
        }
        Ok(Document { pdfium: self, handle })
    }
}

// SAFETY: the handles and functions are not tied to a thread; that only one thread uses them at a time is what the
// mutex in `with` is for.
unsafe impl Send for Pdfium {}

/// An open document; closed when dropped.
pub struct Document<'l> {
    pdfium: &'l Pdfium,
    handle: Handle,
}

impl Document<'_> {
    pub fn page_count(&self) -> u32 {
        // SAFETY: the document is open.
        u32::try_from(unsafe { (self.pdfium.call.page_count)(self.handle) }).unwrap_or(0)
    }

    /// The text of a page, counted from 0; none when the page cannot be loaded.
    pub fn page_text(&self, index: u32) -> Option<PageText<'_>> {
        let call = &self.pdfium.call;
        // SAFETY: the document is open; an index out of range gives null.
        let page = unsafe { (call.load_page)(self.handle, c_int::try_from(index).ok()?) };
        if page.is_null() {
            return None;
        }
        // SAFETY: the page is loaded.
        let text = unsafe { (call.load_text)(page) };
        if text.is_null() {
            // SAFETY: the page is loaded and not used again.
            unsafe { (call.close_page)(page) };
            return None;
        }
        Some(PageText { call, page, text, document: PhantomData })
    }
}

impl Drop for Document<'_> {
    fn drop(&mut self) {
        // SAFETY: the document is open, and every `PageText` that borrowed it is gone.
        unsafe { (self.pdfium.call.close_document)(self.handle) }
    }
}

/// The characters of a loaded page; closed when dropped.
pub struct PageText<'d> {
    call: &'d Functions,
    page: Handle,
    text: Handle,
    document: PhantomData<&'d Document<'d>>,
}

impl PageText<'_> {
    /// What of the page is shown: crop box within media box.
    pub fn bounds(&self) -> Option<Rect> {
        let mut rect = Rect::default();
        // SAFETY: the page is loaded and `rect` is writable.
        let found = unsafe { (self.call.page_box)(self.page, &mut rect) } != 0;
        (found && rect.right > rect.left && rect.top > rect.bottom).then_some(rect)
    }

    /// Quarter turns, clockwise, by which the page is shown turned.
    pub fn quarter_turns(&self) -> i32 {
        // SAFETY: the page is loaded.
        unsafe { (self.call.rotation)(self.page) }
    }

    pub fn len(&self) -> usize {
        // SAFETY: the text page is loaded.
        usize::try_from(unsafe { (self.call.count_chars)(self.text) }).unwrap_or(0)
    }

    /// A UTF-32 code unit, or half of a surrogate pair; 0 when the font does not say.
    pub fn unicode(&self, index: usize) -> u32 {
        // SAFETY: the text page is loaded; an index out of range gives 0.
        unsafe { (self.call.unicode)(self.text, index as c_int) }
    }

    /// Whether PDFium added this character (a space or line end that the page only implies).
    pub fn is_generated(&self, index: usize) -> bool {
        // SAFETY: as for `unicode`.
        unsafe { (self.call.is_generated)(self.text, index as c_int) == 1 }
    }

    /// Whether this is a hyphen that only the line's end made necessary.
    pub fn is_hyphen(&self, index: usize) -> bool {
        // SAFETY: as for `unicode`.
        unsafe { (self.call.is_hyphen)(self.text, index as c_int) == 1 }
    }

    /// The box of the character's advance and its font's height.
    pub fn loose_box(&self, index: usize) -> Option<Rect> {
        let mut rect = Rect::default();
        // SAFETY: as for `unicode`, and `rect` is writable.
        (unsafe { (self.call.loose_box)(self.text, index as c_int, &mut rect) } != 0).then_some(rect)
    }

    /// The size of the character's type as it is shown, in points; none when the font does not say plausibly.
    pub fn type_size(&self, index: usize) -> Option<f32> {
        let mut matrix = Matrix::default();
        // SAFETY: as for `unicode`, and `matrix` is writable.
        let (size, known) = unsafe {
            ((self.call.font_size)(self.text, index as c_int) as f32, (self.call.matrix)(self.text, index as c_int, &mut matrix) != 0)
        };
        let size = size * if known { matrix.c.hypot(matrix.d) } else { 1.0 };
        (1.0..1000.0).contains(&size).then_some(size)
    }

    /// Where the character stands on its base line.
    pub fn origin(&self, index: usize) -> Option<(f32, f32)> {
        let (mut x, mut y) = (0.0, 0.0);
        // SAFETY: as for `unicode`, and both numbers are writable.
        (unsafe { (self.call.origin)(self.text, index as c_int, &mut x, &mut y) } != 0).then_some((x as f32, y as f32))
    }
}

impl Drop for PageText<'_> {
    fn drop(&mut self) {
        // SAFETY: both are loaded and not used again; the text page goes first.
        unsafe {
            (self.call.close_text)(self.text);
            (self.call.close_page)(self.page);
        }
    }
}
