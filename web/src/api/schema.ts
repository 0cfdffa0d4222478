// Made by `npm run generate` from docs/api/openapi.json; changes belong there.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description A person's account, as the person sees it.
         * @example {
         *       "email": "ada@example.org",
         *       "id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *       "name": "Ada Lovelace",
         *       "role": "student"
         *     }
         */
        Account: {
            email: string;
            id: components["schemas"]["AccountId"];
            /** @description As it will stand on certificates. */
            name: string;
            role: components["schemas"]["Role"];
        };
        /**
         * Format: uuid
         * @description A person's account.
         */
        AccountId: string;
        /**
         * @description What came of it, or would.
         * @example {
         *       "action": "retry",
         *       "done": 12,
         *       "dry_run": true,
         *       "matched": 12,
         *       "more": false,
         *       "skipped": 0,
         *       "told": 0,
         *       "unknown": 0
         *     }
         */
        ActionAnswer: {
            action: components["schemas"]["ActionName"];
            /** @description Done, or would be. */
            done: number;
            dry_run: boolean;
            matched: number;
            /** @description More are meant than one request does: ask again for the rest. */
            more: boolean;
            /** @description In a state in which it makes no sense. */
            skipped: number;
            /** @description They run, and their workers were told to stop. */
            told: number;
            /** @description Gone meanwhile. */
            unknown: number;
        };
        /**
         * @description What to do with many jobs.
         * @enum {string}
         */
        ActionName: "cancel" | "retry" | "prioritise" | "rerun";
        /**
         * @example {
         *       "action": "retry",
         *       "dry_run": true,
         *       "filter": {
         *         "failure_code": "worker_lost",
         *         "state": [
         *           "dead"
         *         ]
         *       }
         *     }
         */
        ActionRequest: {
            action: components["schemas"]["ActionName"];
            assets?: components["schemas"]["AssetFilter"] | null;
            /** @description Change nothing, and say what would come of it. */
            dry_run?: boolean;
            filter?: components["schemas"]["JobFilter"] | null;
            from?: components["schemas"]["Stage"] | null;
            /** @description `prioritise`: in front of all that wait in the lane. */
            front?: boolean;
            /** @description Just these jobs, as far as the filter means them too. */
            ids?: components["schemas"]["JobId"][] | null;
            lane?: components["schemas"]["Lane"] | null;
        };
        /**
         * @description Something that was uploaded, and what became of it.
         * @example {
         *       "auto": false,
         *       "complete": true,
         *       "course_id": "0193a5f0-1111-7c10-9d7e-2f1f0c3d9a10",
         *       "created_at": "2026-11-20T09:30:00Z",
         *       "duration_ms": 121400,
         *       "failure": null,
         *       "file_name": "queues.mp4",
         *       "id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *       "kind": "video",
         *       "language": null,
         *       "media_type": "video/mp4",
         *       "notice": null,
         *       "pages": null,
         *       "parent_id": null,
         *       "poster_url": null,
         *       "published_at": null,
         *       "sdh": false,
         *       "stages": [
         *         {
         *           "attempt": 1,
         *           "done": 2410,
         *           "failure_code": null,
         *           "kind": "EncodeRun",
         *           "stage": "transcode",
         *           "state": "running",
         *           "total": 12000
         *         }
         *       ],
         *       "state": "processing",
         *       "title": "Queues and leases"
         *     }
         */
        Asset: {
            /** @description Captions: made by a machine, and seen through by nobody yet. */
            auto: boolean;
            /** @description False while it can be watched already and most of it is still being made. */
            complete: boolean;
            course_id: components["schemas"]["CourseId"];
            /** Format: date-time */
            created_at: string;
            /** Format: int64 */
            duration_ms?: number | null;
            failure?: components["schemas"]["AssetFailure"] | null;
            /** @description As it was uploaded. */
            file_name: string;
            id: components["schemas"]["AssetId"];
            kind?: components["schemas"]["Kind"] | null;
            /** @description BCP 47, as somebody or a file name said or as it was found in the text. */
            language?: string | null;
            /** @description MIME type found in the bytes. */
            media_type?: string | null;
            /** @description A code: it is published, but its instructor should know, such as `no_text_layer`. */
            notice?: string | null;
            /** Format: int32 */
            pages?: number | null;
            parent_id?: components["schemas"]["AssetId"] | null;
            /** @description A signed address that ends after a while. */
            poster_url?: string | null;
            /** Format: date-time */
            published_at?: string | null;
            /** @description Captions: they also tell what is heard besides speech. */
            sdh: boolean;
            /** @description The last job of each stage, for those who may edit the course. */
            stages?: components["schemas"]["AssetStage"][] | null;
            state: components["schemas"]["AssetState"];
            title: string;
            waiting?: components["schemas"]["Wait"] | null;
        };
        /** @description Why an asset cannot be published. */
        AssetFailure: {
            /** Format: int32 */
            attempt?: number | null;
            /** @example pdf_encrypted */
            code: string;
            /** @example this PDF is protected by a password; remove it and upload the file again */
            reason: string;
            /** @example extract */
            stage: string;
        };
        /** @description Which assets are meant. What is not set matches everything. */
        AssetFilter: {
            asset_id?: components["schemas"]["AssetId"] | null;
            course_id?: components["schemas"]["CourseId"] | null;
            kind?: components["schemas"]["Kind"] | null;
            owner_id?: components["schemas"]["AccountId"] | null;
            /** @description `processing`, `published` or `failed`. */
            state?: string | null;
        };
        /**
         * Format: uuid
         * @description One uploaded file and everything derived from it.
         */
        AssetId: string;
        /**
         * @description How far a stage is with an asset. Unit of `done` and `total`: the job's own (frames, pages, chunks), or a thousandth of a
         *     run of segments.
         */
        AssetStage: {
            /** Format: int32 */
            attempt: number;
            /** Format: int64 */
            done: number;
            failure_code?: string | null;
            kind: string;
            stage: string;
            state: string;
            /** Format: int64 */
            total: number;
        };
        /** @enum {string} */
        AssetState: "processing" | "published" | "failed" | "kept";
        /** @description A stage's backlog. */
        Backlog: {
            /**
             * Format: double
             * @description Until all of it, and what will come of it in earlier stages, has passed; null when the stage stands still.
             */
            clear_seconds?: number | null;
            /**
             * Format: double
             * @description The same with one worker process more like those there are.
             */
            clear_seconds_with_one_more?: number | null;
            /** @description Jobs that wait or run. */
            jobs: number;
            /**
             * Format: double
             * @description Age of the job that has waited longest.
             */
            oldest_seconds?: number | null;
            stage: components["schemas"]["Stage"];
        };
        CaptionTrack: {
            /** @description The captions' own asset; the asset itself for what was inside the film. */
            asset_id: components["schemas"]["AssetId"];
            /** @description Made by a machine, and seen through by nobody yet. */
            auto: boolean;
            /** @description Among the captions of this asset. */
            id: string;
            label: string;
            /** @description BCP 47, where it is known. */
            language?: string | null;
            /** @description For those who cannot hear: they also tell what is heard besides speech. */
            sdh: boolean;
            /** @description WebVTT. */
            url: string;
        };
        /**
         * @description All of it is replaced.
         * @example {
         *       "cues": [
         *         {
         *           "end_s": 3.5,
         *           "speaker": null,
         *           "start_s": 1,
         *           "text": "A lease is a promise with an end."
         *         }
         *       ],
         *       "label": "English",
         *       "language": "en",
         *       "sdh": false
         *     }
         */
        CaptionsEdit: {
            cues: components["schemas"]["EditedCue"][];
            label: string;
            /** @description Null: it is told from the text. */
            language?: string | null;
            sdh: boolean;
        };
        /**
         * @description Captions, and what is known of them.
         * @example {
         *       "auto": true,
         *       "cues": [
         *         {
         *           "end_s": 3.5,
         *           "speaker": null,
         *           "start_s": 1,
         *           "text": "A lease is a promise with an end."
         *         }
         *       ],
         *       "label": "English",
         *       "language": "en",
         *       "sdh": false
         *     }
         */
        CaptionsShown: {
            /** @description Made by a machine, and seen through by nobody yet. */
            auto: boolean;
            /** @description In the order of time. */
            cues: components["schemas"]["EditedCue"][];
            /** @description As learners see it in the menu. */
            label: string;
            /** @description BCP 47, where it is known. */
            language?: string | null;
            /** @description They also tell what is heard besides speech. */
            sdh: boolean;
        };
        /**
         * @description A certificate, as its learner sees it.
         * @example {
         *       "completed_on": "2026-11-20",
         *       "course_title": "Queues, leases and fencing",
         *       "id": "0193a5f9-7a3f-7d55-9e21-5b1f0c3d9a10",
         *       "issued_at": "2026-11-20T10:00:01Z",
         *       "learner_name": "Ada Lovelace",
         *       "pdf_url": "/media/1795172400.kXo…/certificates/0193…/certificate.pdf?inline=true",
         *       "verify_url": "https://learn.example/verify/0193a5f9-7a3f-7d55-9e21-5b1f0c3d9a10"
         *     }
         */
        Certificate: {
            /** Format: date */
            completed_on: string;
            course_title: string;
            id: components["schemas"]["CertificateId"];
            /**
             * Format: date-time
             * @description Null while the PDF is being made.
             */
            issued_at?: string | null;
            learner_name: string;
            /** @description A signed address that ends after a while; null while the PDF is being made. */
            pdf_url?: string | null;
            /** @description The public page that a QR code on the certificate leads to. */
            verify_url: string;
        };
        /**
         * Format: uuid
         * @description A certificate.
         */
        CertificateId: string;
        /**
         * @description Where a chapter begins, and what it is called. It ends where the next one begins.
         * @example {
         *       "start_s": 73.5,
         *       "title": "What a lease is"
         *     }
         */
        Chapter: {
            /**
             * Format: double
             * @description Seconds from the beginning, kept to the millisecond.
             */
            start_s: number;
            title: string;
        };
        /**
         * @description The chapters of a recording, in the order of time.
         * @example {
         *       "chapters": [
         *         {
         *           "start_s": 0,
         *           "title": "Welcome"
         *         },
         *         {
         *           "start_s": 73.5,
         *           "title": "What a lease is"
         *         }
         *       ],
         *       "edited": true
         *     }
         */
        Chapters: {
            chapters: components["schemas"]["Chapter"][];
            /** @description False while they are what the file itself says. */
            edited: boolean;
        };
        /**
         * @example {
         *       "chapters": [
         *         {
         *           "start_s": 0,
         *           "title": "Welcome"
         *         },
         *         {
         *           "start_s": 73.5,
         *           "title": "What a lease is"
         *         }
         *       ]
         *     }
         */
        ChaptersEdit: {
            chapters: components["schemas"]["Chapter"][];
        };
        /**
         * @description A piece of an asset's text.
         * @example {
         *       "heading_path": [
         *         "Leases",
         *         "Why"
         *       ],
         *       "locator": {
         *         "end": 153,
         *         "page": 3,
         *         "start": 120,
         *         "type": "page"
         *       },
         *       "ordinal": 12,
         *       "text": "A lease is a promise with an end."
         *     }
         */
        Chunk: {
            /** @description Headings above it, outermost first. */
            heading_path: string[];
            locator: components["schemas"]["Locator"];
            /**
             * Format: int32
             * @description Counted from 0, without gaps.
             */
            ordinal: number;
            text: string;
        };
        /**
         * @description Why a pool takes no more jobs.
         * @enum {string}
         */
        Closed: "concurrency" | "memory" | "cpus" | "paused" | "dependency" | "stopping";
        /**
         * @example {
         *       "certificate_id": "0193a5f9-7a3f-7d55-9e21-5b1f0c3d9a10",
         *       "course_progress": {
         *         "done": 5,
         *         "total": 5
         *       }
         *     }
         */
        Completion: {
            certificate_id?: components["schemas"]["CertificateId"] | null;
            course_progress: components["schemas"]["Progress"];
        };
        /** @description A course with its outline. */
        Course: components["schemas"]["CourseSummary"] & {
            /** @description Assets that are in no lesson. */
            materials: components["schemas"]["Asset"][];
            modules: components["schemas"]["Module"][];
        };
        /**
         * @description What is not named stays as it is.
         * @example {
         *       "title": "Queues, leases and fencing, second edition"
         *     }
         */
        CourseEdit: {
            summary?: string | null;
            title?: string | null;
        };
        /**
         * Format: uuid
         * @description A course.
         */
        CourseId: string;
        /** @enum {string} */
        CourseState: "draft" | "published" | "archived";
        /**
         * @description A course in a list.
         * @example {
         *       "enrolled": true,
         *       "id": "0193a5f0-1111-7c10-9d7e-2f1f0c3d9a10",
         *       "owner_name": "Grace Oyelaran",
         *       "progress": {
         *         "done": 2,
         *         "total": 5
         *       },
         *       "role_in_course": "learner",
         *       "state": "published",
         *       "summary": "Work that survives its workers.",
         *       "title": "Queues, leases and fencing"
         *     }
         */
        CourseSummary: {
            enrolled: boolean;
            id: components["schemas"]["CourseId"];
            owner_name: string;
            progress?: components["schemas"]["Progress"] | null;
            role_in_course?: components["schemas"]["RoleInCourse"] | null;
            state: components["schemas"]["CourseState"];
            summary: string;
            title: string;
        };
        /**
         * @example {
         *       "email": "ada@example.org",
         *       "password": "analytical engine"
         *     }
         */
        Credentials: {
            email?: string;
            password?: string;
        };
        /**
         * @description Dead jobs that died of the same cause.
         * @example {
         *       "class": "poison",
         *       "code": "pdf_encrypted",
         *       "count": 12,
         *       "example": "0193a5f2-7777-7c10-9d7e-2f1f0c3d9a10",
         *       "last_at": "2026-11-20T09:30:02Z",
         *       "reason": "this PDF is protected by a password; remove it and upload the file again",
         *       "stage": "extract"
         *     }
         */
        DeadGroup: {
            /** @description `poison`, `transient`, `resource`, `dependency` or `lost`. */
            class?: string | null;
            code: string;
            /** Format: int64 */
            count: number;
            /** @description The last one. */
            example: components["schemas"]["JobId"];
            /** Format: date-time */
            last_at?: string | null;
            /** @description The sentence of the last one. */
            reason: string;
            stage: string;
        };
        EditedCue: {
            /**
             * Format: double
             * @description Seconds from the beginning, later than `start_s`.
             */
            end_s: number;
            /** @description Who speaks, where it matters. */
            speaker?: string | null;
            /**
             * Format: double
             * @description Seconds from the beginning, kept to the millisecond.
             */
            start_s: number;
            /** @description Plain text; line ends become spaces. */
            text: string;
        };
        /**
         * @example {
         *       "account_id": "0193a5ef-5555-7c10-9d7e-2f1f0c3d9a10",
         *       "completed_at": null,
         *       "course_id": "0193a5f0-1111-7c10-9d7e-2f1f0c3d9a10",
         *       "enrolled_at": "2026-11-20T09:30:00Z",
         *       "id": "0193a5f3-4444-7c10-9d7e-2f1f0c3d9a10"
         *     }
         */
        Enrollment: {
            account_id: components["schemas"]["AccountId"];
            /**
             * Format: date-time
             * @description When the last lesson was completed.
             */
            completed_at?: string | null;
            course_id: components["schemas"]["CourseId"];
            /** Format: date-time */
            enrolled_at: string;
            id: components["schemas"]["EnrollmentId"];
        };
        /**
         * Format: uuid
         * @description One learner in one course.
         */
        EnrollmentId: string;
        /** @description One field of the request that is not right. */
        FieldError: {
            /** @example must be an e-mail address */
            detail: string;
            /**
             * @description JSON pointer (RFC 6901) into the body, or the parameter's name.
             * @example /email
             */
            pointer: string;
        };
        /**
         * @description The verdict on a file.
         * @example {
         *       "certificate_id": "0193a5f9-7a3f-7d55-9e21-5b1f0c3d9a10",
         *       "reason": "altered",
         *       "valid": false
         *     }
         */
        FileVerification: {
            certificate_id?: components["schemas"]["CertificateId"] | null;
            /** @description `altered`: not the bytes that were issued. `unknown`: no certificate of ours. */
            reason?: string | null;
            valid: boolean;
        };
        FirstStage: {
            /** Format: int32 */
            attempt: number;
            /** Format: int64 */
            done: number;
            failure_code?: string | null;
            kind: string;
            stage: components["schemas"]["Stage"];
            state: string;
            /** Format: int64 */
            total: number;
        };
        /**
         * @description Something that happened.
         * @example {
         *       "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *       "at": "2026-11-20T09:31:12Z",
         *       "id": 42,
         *       "job_id": "0193a5f2-7777-7c10-9d7e-2f1f0c3d9a10",
         *       "kind": "Published",
         *       "payload": {
         *         "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *         "kind": "Published"
         *       },
         *       "request_id": "0193a5f26a3e7c109d7e2f1f0c3d9a10"
         *     }
         */
        Happening: {
            asset_id?: components["schemas"]["AssetId"] | null;
            /** Format: date-time */
            at: string;
            /** Format: int64 */
            id: number;
            job_id?: components["schemas"]["JobId"] | null;
            kind: string;
            /** @description Ids only. */
            payload: Record<string, never>;
            request_id?: string | null;
        };
        /** @description An asset, opened at the place that fits best. */
        Hit: {
            asset_id: components["schemas"]["AssetId"];
            course_id: components["schemas"]["CourseId"];
            course_title: string;
            kind: components["schemas"]["Kind"];
            /**
             * @description Where it opens, in words.
             * @example 1:13
             */
            label: string;
            lesson_id?: components["schemas"]["LessonId"] | null;
            lesson_title?: string | null;
            locator?: components["schemas"]["Locator"] | null;
            /**
             * Format: double
             * @description Between 0 and 1, comparable within one answer only.
             */
            score: number;
            /**
             * @description HTML in which everything but `<mark>` is escaped.
             * @example the <mark>learning</mark> rate decides how far each step goes
             */
            snippet: string;
            title: string;
            /**
             * @description Path of the page that opens at the place.
             * @example /watch/0192d3a0-7a8e-7c1e-9f0a-3d1f5e6b7c8d?t=73.2
             */
            url: string;
        };
        /** @description A host, the processes that work on it, and whether it drains. */
        HostView: {
            drain?: components["schemas"]["Pause"] | null;
            /** @example encoder-1 */
            host: string;
            /**
             * Format: int64
             * @description Jobs that run there, by the ledger.
             */
            running: number;
            /** @description Empty when none has reported within half a minute. */
            workers: components["schemas"]["Worker"][];
        };
        /**
         * @description A row of the ledger, with what belongs to it.
         * @example {
         *       "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *       "asset_title": "Handout",
         *       "attempt": 1,
         *       "created_at": "2026-11-20T09:30:00Z",
         *       "ended_at": "2026-11-20T09:30:02Z",
         *       "failure": {
         *         "class": "poison",
         *         "code": "pdf_encrypted",
         *         "detail": null,
         *         "reason": "this PDF is protected by a password"
         *       },
         *       "failures": 1,
         *       "file_name": "handout.pdf",
         *       "host": "host",
         *       "id": "0193a5f2-7777-7c10-9d7e-2f1f0c3d9a10",
         *       "input_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
         *       "kind": "ExtractDocument",
         *       "lane": "default",
         *       "limits_factor": 1,
         *       "max_failures": 8,
         *       "owner_id": "0193a5f0-0001-7c10-9d7e-2f1f0c3d9a10",
         *       "owner_name": "Ada Lovelace",
         *       "progress": {
         *         "done": 0,
         *         "total": 0
         *       },
         *       "queued_ms": 1000,
         *       "request_id": "0193a5f26a3e7c109d7e2f1f0c3d9a10",
         *       "run_at": "2026-11-20T09:30:00Z",
         *       "run_ms": 1000,
         *       "stage": "extract",
         *       "started_at": "2026-11-20T09:30:01Z",
         *       "state": "dead",
         *       "used_cpu_seconds": 0.4,
         *       "used_memory_bytes": 73400320,
         *       "worker": "host:4026531836:4711"
         *     }
         */
        Job: {
            asset_id?: components["schemas"]["AssetId"] | null;
            asset_title?: string | null;
            /**
             * Format: int32
             * @description Claims so far.
             */
            attempt: number;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            ended_at?: string | null;
            failure?: components["schemas"]["JobFailure"] | null;
            /** Format: int32 */
            failures: number;
            file_name?: string | null;
            /** @description That process's host. */
            host?: string | null;
            id: components["schemas"]["JobId"];
            /** @description Of the bytes it works on, in hex. */
            input_sha256?: string | null;
            /** @example TranscodeMedia */
            kind: string;
            lane: components["schemas"]["Lane"];
            /**
             * Format: float
             * @description How many times the usual memory and time the next attempt gets.
             */
            limits_factor: number;
            /** Format: int32 */
            max_failures: number;
            owner_id?: components["schemas"]["AccountId"] | null;
            owner_name?: string | null;
            progress: components["schemas"]["JobProgress"];
            /**
             * Format: int64
             * @description From when it was made to when its last attempt began, or until now.
             */
            queued_ms: number;
            /** @description Of the request or command that caused it. */
            request_id?: string | null;
            /**
             * Format: date-time
             * @description A parked job waits until then.
             */
            run_at: string;
            /**
             * Format: int64
             * @description Of the last attempt, so far.
             */
            run_ms?: number | null;
            stage: string;
            /**
             * Format: date-time
             * @description Of the last attempt.
             */
            started_at?: string | null;
            state: components["schemas"]["JobState"];
            /**
             * Format: float
             * @description Of the last attempt's children.
             */
            used_cpu_seconds?: number | null;
            /**
             * Format: int64
             * @description Peak of the last attempt's children.
             */
            used_memory_bytes?: number | null;
            /** @description The process that holds it, or held it last. */
            worker?: string | null;
        };
        JobFailure: {
            /** @description `poison`, `transient`, `resource`, `dependency` or `lost`. */
            class?: string | null;
            code: string;
            /** @description For admins, since it may name files of the machine: the chain of errors, and how the child's stderr ended. */
            detail?: string | null;
            reason: string;
        };
        /** @description Which jobs are meant. What is not set matches everything. */
        JobFilter: {
            asset_id?: components["schemas"]["AssetId"] | null;
            course_id?: components["schemas"]["CourseId"] | null;
            /** @description `poison`, `transient`, `resource`, `dependency` or `lost`. */
            failure_class?: string | null;
            /** @example pdf_encrypted */
            failure_code?: string | null;
            /** @example TranscodeMedia */
            kind?: string | null;
            lane?: components["schemas"]["Lane"] | null;
            owner_id?: components["schemas"]["AccountId"] | null;
            stage?: components["schemas"]["Stage"] | null;
            /** @description Any of these. */
            state?: components["schemas"]["JobState"][];
        };
        /**
         * Format: uuid
         * @description A row of the job ledger.
         */
        JobId: string;
        /** @description In units of the job's own: frames, pages, chunks. */
        JobProgress: {
            /** Format: int64 */
            done: number;
            /** Format: int64 */
            total: number;
        };
        /**
         * @description Where a job is in its life.
         * @enum {string}
         */
        JobState: "queued" | "parked" | "running" | "done" | "dead" | "cancelled";
        /**
         * @description The kind of an asset, decided from its bytes.
         * @enum {string}
         */
        Kind: "video" | "audio" | "document" | "captions";
        /**
         * @description Who waits for a job. Lanes go in this order; one in eight claims looks from the other end at what has waited long.
         *
         *     SQL relies on it that the words sort the other way round: `interactive` is the greatest.
         * @enum {string}
         */
        Lane: "interactive" | "default" | "backfill";
        /** @description What waits in a lane of a stage. */
        LaneDepth: {
            lane: components["schemas"]["Lane"];
            /** Format: int64 */
            parked: number;
            /** Format: int64 */
            queued: number;
        };
        /**
         * @description A lesson with what it shows, in order.
         * @example {
         *       "assets": [],
         *       "completed": false,
         *       "id": "0193a5f1-3333-7c10-9d7e-2f1f0c3d9a10",
         *       "position": 1,
         *       "title": "Why a lease ends"
         *     }
         */
        Lesson: {
            assets: components["schemas"]["Asset"][];
            /** @description By you. */
            completed: boolean;
            id: components["schemas"]["LessonId"];
            /**
             * Format: int32
             * @description Counted from 1.
             */
            position: number;
            title: string;
        };
        /**
         * @example {
         *       "asset_ids": [
         *         "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10"
         *       ]
         *     }
         */
        LessonAssets: {
            asset_ids: components["schemas"]["AssetId"][];
        };
        /**
         * Format: uuid
         * @description A lesson of a module.
         */
        LessonId: string;
        /** @description The place of a chunk in its asset. */
        Locator: {
            /**
             * Format: int32
             * @description One past the last character in the page's text.
             */
            end: number;
            /**
             * Format: int32
             * @description Counted from 1.
             */
            page: number;
            /**
             * Format: int32
             * @description First character in the page's text.
             */
            start: number;
            /** @enum {string} */
            type: "page";
        } | {
            /**
             * Format: int32
             * @description One past the last character in the document's text.
             */
            end: number;
            /**
             * Format: int32
             * @description First character in the document's text.
             */
            start: number;
            /** @enum {string} */
            type: "section";
        } | {
            /** @description The cues inside: start in seconds, and the offset in characters of its text inside the chunk. */
            cues: [
                number,
                number
            ][];
            /**
             * Format: double
             * @description Seconds from the beginning.
             */
            end: number;
            /**
             * Format: double
             * @description Seconds from the beginning.
             */
            start: number;
            /** @enum {string} */
            type: "time";
        };
        /**
         * @description How an answer came about.
         * @enum {string}
         */
        Mode: "hybrid" | "lexical" | "vector";
        /**
         * @description A module with its lessons, in order.
         * @example {
         *       "id": "0193a5f1-2222-7c10-9d7e-2f1f0c3d9a10",
         *       "lessons": [],
         *       "position": 1,
         *       "title": "Leases"
         *     }
         */
        Module: {
            id: components["schemas"]["ModuleId"];
            lessons: components["schemas"]["Lesson"][];
            /**
             * Format: int32
             * @description Counted from 1.
             */
            position: number;
            title: string;
        };
        /**
         * Format: uuid
         * @description A module of a course.
         */
        ModuleId: string;
        /**
         * @example {
         *       "summary": "Work that survives its workers.",
         *       "title": "Queues, leases and fencing"
         *     }
         */
        NewCourse: {
            summary?: string;
            title?: string;
        };
        /**
         * @example {
         *       "asset_ids": [
         *         "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10"
         *       ],
         *       "title": "Why a lease ends"
         *     }
         */
        NewLesson: {
            asset_ids?: components["schemas"]["AssetId"][];
            title?: string;
        };
        /**
         * @example {
         *       "title": "Leases"
         *     }
         */
        NewModule: {
            title?: string;
        };
        /** @description One page of a list. */
        Page_Asset: {
            items: {
                /** @description Captions: made by a machine, and seen through by nobody yet. */
                auto: boolean;
                /** @description False while it can be watched already and most of it is still being made. */
                complete: boolean;
                course_id: components["schemas"]["CourseId"];
                /** Format: date-time */
                created_at: string;
                /** Format: int64 */
                duration_ms?: number | null;
                failure?: components["schemas"]["AssetFailure"] | null;
                /** @description As it was uploaded. */
                file_name: string;
                id: components["schemas"]["AssetId"];
                kind?: components["schemas"]["Kind"] | null;
                /** @description BCP 47, as somebody or a file name said or as it was found in the text. */
                language?: string | null;
                /** @description MIME type found in the bytes. */
                media_type?: string | null;
                /** @description A code: it is published, but its instructor should know, such as `no_text_layer`. */
                notice?: string | null;
                /** Format: int32 */
                pages?: number | null;
                parent_id?: components["schemas"]["AssetId"] | null;
                /** @description A signed address that ends after a while. */
                poster_url?: string | null;
                /** Format: date-time */
                published_at?: string | null;
                /** @description Captions: they also tell what is heard besides speech. */
                sdh: boolean;
                /** @description The last job of each stage, for those who may edit the course. */
                stages?: components["schemas"]["AssetStage"][] | null;
                state: components["schemas"]["AssetState"];
                title: string;
                waiting?: components["schemas"]["Wait"] | null;
            }[];
            /** @description Send it as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description One page of a list. */
        Page_Certificate: {
            items: {
                /** Format: date */
                completed_on: string;
                course_title: string;
                id: components["schemas"]["CertificateId"];
                /**
                 * Format: date-time
                 * @description Null while the PDF is being made.
                 */
                issued_at?: string | null;
                learner_name: string;
                /** @description A signed address that ends after a while; null while the PDF is being made. */
                pdf_url?: string | null;
                /** @description The public page that a QR code on the certificate leads to. */
                verify_url: string;
            }[];
            /** @description Send it as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description One page of a list. */
        Page_Chunk: {
            items: {
                /** @description Headings above it, outermost first. */
                heading_path: string[];
                locator: components["schemas"]["Locator"];
                /**
                 * Format: int32
                 * @description Counted from 0, without gaps.
                 */
                ordinal: number;
                text: string;
            }[];
            /** @description Send it as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description One page of a list. */
        Page_CourseSummary: {
            items: {
                enrolled: boolean;
                id: components["schemas"]["CourseId"];
                owner_name: string;
                progress?: components["schemas"]["Progress"] | null;
                role_in_course?: components["schemas"]["RoleInCourse"] | null;
                state: components["schemas"]["CourseState"];
                summary: string;
                title: string;
            }[];
            /** @description Send it as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description One page of a list. */
        Page_Happening: {
            items: {
                asset_id?: components["schemas"]["AssetId"] | null;
                /** Format: date-time */
                at: string;
                /** Format: int64 */
                id: number;
                job_id?: components["schemas"]["JobId"] | null;
                kind: string;
                /** @description Ids only. */
                payload: Record<string, never>;
                request_id?: string | null;
            }[];
            /** @description Send it as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description One page of a list. */
        Page_Job: {
            items: {
                asset_id?: components["schemas"]["AssetId"] | null;
                asset_title?: string | null;
                /**
                 * Format: int32
                 * @description Claims so far.
                 */
                attempt: number;
                /** Format: date-time */
                created_at: string;
                /** Format: date-time */
                ended_at?: string | null;
                failure?: components["schemas"]["JobFailure"] | null;
                /** Format: int32 */
                failures: number;
                file_name?: string | null;
                /** @description That process's host. */
                host?: string | null;
                id: components["schemas"]["JobId"];
                /** @description Of the bytes it works on, in hex. */
                input_sha256?: string | null;
                /** @example TranscodeMedia */
                kind: string;
                lane: components["schemas"]["Lane"];
                /**
                 * Format: float
                 * @description How many times the usual memory and time the next attempt gets.
                 */
                limits_factor: number;
                /** Format: int32 */
                max_failures: number;
                owner_id?: components["schemas"]["AccountId"] | null;
                owner_name?: string | null;
                progress: components["schemas"]["JobProgress"];
                /**
                 * Format: int64
                 * @description From when it was made to when its last attempt began, or until now.
                 */
                queued_ms: number;
                /** @description Of the request or command that caused it. */
                request_id?: string | null;
                /**
                 * Format: date-time
                 * @description A parked job waits until then.
                 */
                run_at: string;
                /**
                 * Format: int64
                 * @description Of the last attempt, so far.
                 */
                run_ms?: number | null;
                stage: string;
                /**
                 * Format: date-time
                 * @description Of the last attempt.
                 */
                started_at?: string | null;
                state: components["schemas"]["JobState"];
                /**
                 * Format: float
                 * @description Of the last attempt's children.
                 */
                used_cpu_seconds?: number | null;
                /**
                 * Format: int64
                 * @description Peak of the last attempt's children.
                 */
                used_memory_bytes?: number | null;
                /** @description The process that holds it, or held it last. */
                worker?: string | null;
            }[];
            /** @description Send it as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description Who paused a stage, where, and why. */
        Pause: {
            /** @description Null: on every host. */
            host?: string | null;
            /** Format: date-time */
            paused_at: string;
            /** @description A person's name, or `command line`. */
            paused_by: string;
            reason: string;
            stage?: components["schemas"]["Stage"] | null;
        };
        /**
         * @description Why something is paused.
         * @example {
         *       "reason": "the encoder is being replaced"
         *     }
         */
        PauseReason: {
            /** @description For whoever wonders why nothing happens; at most 500 characters. */
            reason?: string;
        };
        /**
         * @description All addresses are relative to the origin, yours alone, and end after a while: ask again before that, and put the token
         *     of the new addresses (the part after `/stream/`) into those you have. Where the part after the asset's id has changed, the
         *     film was made anew or replaced: go on with the new addresses.
         * @example {
         *       "captions": [
         *         {
         *           "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *           "auto": false,
         *           "id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *           "label": "English",
         *           "language": "en",
         *           "sdh": false,
         *           "url": "/stream/1795172400.0193….kXo…/0193…/0193….1/captions/0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10/captions.vtt"
         *         }
         *       ],
         *       "chapters": [
         *         {
         *           "start_s": 0,
         *           "title": "Welcome"
         *         }
         *       ],
         *       "complete": true,
         *       "duration_ms": 121400,
         *       "expires_in": 300,
         *       "hls_url": "/stream/1795172400.0193….kXo…/0193…/0193….1/master.m3u8",
         *       "kind": "video",
         *       "poster_url": "/stream/1795172400.0193….kXo…/0193…/0193….1/poster.jpg",
         *       "resume_s": 734.2,
         *       "storyboard_url": null
         *     }
         */
        Playback: components["schemas"]["Viewing"] & {
            captions: components["schemas"]["CaptionTrack"][];
            /** @description False while most of it is still being made: what is asked for is made next, and takes a moment. */
            complete: boolean;
            /** Format: int64 */
            duration_ms: number;
            /**
             * Format: int64
             * @description Seconds until the addresses end.
             */
            expires_in: number;
            hls_url: string;
            kind: components["schemas"]["Kind"];
            poster_url?: string | null;
            /** @description WebVTT whose cues are pieces of pictures, for the seek bar. */
            storyboard_url?: string | null;
        };
        /** @description One stage's pool in one process. */
        PoolReport: {
            closed?: components["schemas"]["Closed"] | null;
            concurrency: number;
            /** Format: double */
            cpus: number;
            /**
             * Format: int64
             * @description What one more job is expected to use.
             */
            memory_bytes: number;
            running: number;
            stage: components["schemas"]["Stage"];
        };
        /**
         * @description Where somebody stopped.
         * @example {
         *       "at_s": 734.2,
         *       "updated_at": "2026-11-20T09:30:00Z"
         *     }
         */
        Position: {
            /**
             * Format: double
             * @description Seconds; 0 for who has not begun.
             */
            at_s: number;
            /** Format: date-time */
            updated_at?: string | null;
        };
        /**
         * @example {
         *       "at_s": 734.2
         *     }
         */
        PositionEdit: {
            /**
             * Format: double
             * @description Seconds.
             */
            at_s: number;
        };
        /**
         * @description A picture out of the recording, or one that was uploaded for it (`uploaded.jpg`).
         * @example {
         *       "chosen": true,
         *       "file": "poster-2.jpg",
         *       "url": "/media/1795172400.kXo…/assets/0193…/0193….1/poster-2.jpg"
         *     }
         */
        Poster: {
            /** @description It stands for the recording now. */
            chosen: boolean;
            file: string;
            /** @description A signed address that ends after a while. */
            url: string;
        };
        /**
         * @example {
         *       "file": "poster-2.jpg"
         *     }
         */
        PosterChoice: {
            /** @description One of those that `GET /assets/{id}/posters` lists; null leaves the choice to the program. */
            file?: string | null;
        };
        /** @description The body of every error answer. */
        Problem: {
            /**
             * @description Stable, for programs and translations.
             * @example not_found
             */
            code: string;
            /** @example there is nothing here, or you may not see it */
            detail: string;
            /** @description Fields that are not right, all at once. */
            errors?: components["schemas"]["FieldError"][];
            request_id?: string | null;
            /**
             * Format: int32
             * @example 404
             */
            status: number;
            /** @example Not Found */
            title: string;
            /** @description Always `about:blank`: the code says more. */
            type: string;
        };
        /** @description Completed lessons of all lessons. */
        Progress: {
            /** Format: int64 */
            done: number;
            /** Format: int64 */
            total: number;
        };
        /** @description Why a job does not run. */
        Reason: {
            /** @enum {string} */
            reason: "running";
        } | {
            /** @enum {string} */
            reason: "no_free_slot";
        } | {
            /** @enum {string} */
            reason: "fair_share";
        } | {
            note: string;
            paused_by: string;
            /** @enum {string} */
            reason: "paused";
        } | {
            code: string;
            /** @enum {string} */
            reason: "back_off";
            /** Format: date-time */
            until: string;
        } | {
            code: string;
            /** @enum {string} */
            reason: "dependency_down";
        } | {
            /** @enum {string} */
            reason: "no_worker";
        };
        Registered: {
            account: components["schemas"]["Account"];
        };
        /**
         * @description What a new account needs. A field that is missing counts as empty, so that one answer names them all.
         * @example {
         *       "email": "ada@example.org",
         *       "name": "Ada Lovelace",
         *       "password": "analytical engine",
         *       "role": "student"
         *     }
         */
        Registration: {
            email?: string;
            name?: string;
            /** @description 8 to 200 characters. */
            password?: string;
            /** @description `student` (the default) or `instructor`. */
            role?: string | null;
        };
        /**
         * @description What an account may do at all; what it may do with a course is in [`crate::access`].
         * @enum {string}
         */
        Role: "student" | "instructor" | "admin";
        /** @enum {string} */
        RoleInCourse: "editor" | "learner";
        /** @description A page of hits, best first. */
        SearchAnswer: {
            items: components["schemas"]["Hit"][];
            mode: components["schemas"]["Mode"];
            /** @description Why the mode is not `hybrid`, in a sentence. */
            mode_reason?: string | null;
            /** @description Send it as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
            /** Format: int64 */
            took_ms: number;
            /** @description Hits on all pages together. */
            total: number;
        };
        /**
         * @example {
         *       "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9…",
         *       "account": {
         *         "email": "ada@example.org",
         *         "id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *         "name": "Ada Lovelace",
         *         "role": "student"
         *       },
         *       "expires_in": 3600
         *     }
         */
        Session: {
            /** @description Send it as `Authorization: Bearer …`. */
            access_token: string;
            account: components["schemas"]["Account"];
            /**
             * Format: int64
             * @description Seconds until the access token expires.
             */
            expires_in: number;
        };
        /** @description What an operator set over `workers.toml`. */
        Setting: {
            /** @description Null: on every host. */
            host?: string | null;
            /**
             * @description As in `workers.toml`.
             * @example stages.transcode.concurrency
             */
            key: string;
            /** Format: date-time */
            set_at: string;
            set_by: string;
            value: Record<string, never>;
        };
        /**
         * @example {
         *       "value": 4
         *     }
         */
        SettingValue: {
            /** @description A number, a text, or a list of words, as the key has it in `workers.toml`. */
            value: Record<string, never>;
        };
        /** @description A key of `workers.toml` as it is set now. */
        SettingView: {
            /** @example stages.transcode.concurrency */
            key: string;
            /** @description What operators set over the file: for every host, or for one. Empty: the file's value holds. */
            set: components["schemas"]["Setting"][];
        };
        /** @description Assets about the same, nearest first. */
        SimilarAnswer: {
            items: components["schemas"]["Hit"][];
            mode: components["schemas"]["Mode"];
            /** @description Why the mode is not `vector`, in a sentence. */
            mode_reason?: string | null;
        };
        /**
         * @description Where the uploaded bytes can be had.
         * @example {
         *       "file_name": "handout.pdf",
         *       "media_type": "application/pdf",
         *       "url": "/media/1795172400.kXo…/sources/9f86d0…?media_type=application%2Fpdf&inline=true"
         *     }
         */
        Source: {
            file_name: string;
            media_type: string;
            /** @description A signed address that ends after a while. A PDF opens in the page, everything else is saved. */
            url: string;
        };
        /**
         * @description A pool of workers with its own concurrency.
         * @enum {string}
         */
        Stage: "ingest" | "transcode" | "transcribe" | "extract" | "embed" | "index" | "publish" | "certify";
        /** @description A stage on a host. */
        StageHost: {
            closed?: components["schemas"]["Closed"] | null;
            /** @description Of all its processes together. */
            concurrency: number;
            host: string;
            processes: number;
            running: number;
        };
        /**
         * @description One stage at a glance.
         * @example {
         *       "concurrency": 1,
         *       "dead": 0,
         *       "oldest_queued_seconds": 12,
         *       "queued": 3,
         *       "running": 1,
         *       "stage": "transcode"
         *     }
         */
        StageSummary: {
            /** @description How many jobs of the stage a worker with this server's configuration runs at the same time. */
            concurrency: number;
            /** Format: int64 */
            dead: number;
            /**
             * Format: int64
             * @description Age of the job that has been due longest; null when none waits.
             */
            oldest_queued_seconds?: number | null;
            /** Format: int64 */
            queued: number;
            /** Format: int64 */
            running: number;
            stage: components["schemas"]["Stage"];
        };
        /**
         * @description One stage at a glance.
         * @example {
         *       "cluster_concurrency": 0,
         *       "concurrency": 1,
         *       "dead": 0,
         *       "hosts": [
         *         {
         *           "closed": "concurrency",
         *           "concurrency": 1,
         *           "host": "encoder-1",
         *           "processes": 1,
         *           "running": 1
         *         }
         *       ],
         *       "lanes": [
         *         {
         *           "lane": "interactive",
         *           "parked": 0,
         *           "queued": 0
         *         },
         *         {
         *           "lane": "default",
         *           "parked": 1,
         *           "queued": 3
         *         },
         *         {
         *           "lane": "backfill",
         *           "parked": 0,
         *           "queued": 120
         *         }
         *       ],
         *       "oldest_queued_seconds": 12,
         *       "parked": 1,
         *       "pauses": [],
         *       "queued": 123,
         *       "running": 1,
         *       "settings": [],
         *       "stage": "transcode"
         *     }
         */
        StageView: {
            /** @description In all processes together; 0: no limit. */
            cluster_concurrency: number;
            /** @description Jobs at the same time in one process, as set for every host. */
            concurrency: number;
            /** Format: int64 */
            dead: number;
            /** @description Where workers take its jobs now. */
            hosts: components["schemas"]["StageHost"][];
            /** @description In their order, also those in which nothing waits. */
            lanes: components["schemas"]["LaneDepth"][];
            /**
             * Format: int64
             * @description Age of the job that has been due longest; null when none waits.
             */
            oldest_queued_seconds?: number | null;
            /** Format: int64 */
            parked: number;
            /** @description What keeps it, or a host of it, from taking new jobs. */
            pauses: components["schemas"]["Pause"][];
            /** Format: int64 */
            queued: number;
            /** Format: int64 */
            running: number;
            /** @description What operators set over `workers.toml` for this stage. */
            settings: components["schemas"]["Setting"][];
            stage: components["schemas"]["Stage"];
        };
        /**
         * @description The asset as it begins; `GET /assets/{id}` and `/assets/{id}/progress` show how it goes on.
         * @example {
         *       "course_id": "0193a5f0-1111-7c10-9d7e-2f1f0c3d9a10",
         *       "created_at": "2026-11-20T09:30:00Z",
         *       "duration_ms": null,
         *       "failure": null,
         *       "file_name": "Week 3.pdf",
         *       "id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *       "kind": null,
         *       "media_type": null,
         *       "notice": null,
         *       "pages": null,
         *       "parent_id": null,
         *       "poster_url": null,
         *       "published_at": null,
         *       "stages": [
         *         {
         *           "attempt": 0,
         *           "done": 0,
         *           "failure_code": null,
         *           "kind": "IngestUpload",
         *           "stage": "ingest",
         *           "state": "queued",
         *           "total": 0
         *         }
         *       ],
         *       "state": "processing",
         *       "title": "Week 3"
         *     }
         */
        UploadedAsset: {
            course_id: components["schemas"]["CourseId"];
            /** Format: date-time */
            created_at: string;
            /** Format: int64 */
            duration_ms?: number | null;
            failure?: string | null;
            file_name: string;
            id: components["schemas"]["AssetId"];
            kind?: string | null;
            media_type?: string | null;
            notice?: string | null;
            /** Format: int32 */
            pages?: number | null;
            parent_id?: components["schemas"]["AssetId"] | null;
            poster_url?: string | null;
            published_at?: string | null;
            stages: components["schemas"]["FirstStage"][];
            /** @description Always `processing`. */
            state: string;
            title: string;
        };
        /**
         * @description What anybody may know of an issued certificate who has its id.
         * @example {
         *       "completed_on": "2026-11-20",
         *       "course_title": "Queues, leases and fencing",
         *       "instructor_name": "Grace Oyelaran",
         *       "issued_at": "2026-11-20T10:00:01Z",
         *       "learner_name": "Ada Lovelace",
         *       "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
         *       "valid": true
         *     }
         */
        Verification: {
            /** Format: date */
            completed_on: string;
            course_title: string;
            instructor_name: string;
            /** Format: date-time */
            issued_at: string;
            learner_name: string;
            /** @description Of the PDF, in hex. */
            sha256: string;
            valid: boolean;
        };
        /**
         * @description A source that an asset has, had, or is to have.
         * @example {
         *       "asset_id": "0193a5f2-6a3e-7c10-9d7e-2f1f0c3d9a10",
         *       "bytes": 73400320,
         *       "duration_ms": null,
         *       "failure": null,
         *       "file_name": "queues, mended.mp4",
         *       "media_type": "video/mp4",
         *       "number": 2,
         *       "pages": null,
         *       "shown": false,
         *       "state": "processing",
         *       "uploaded_at": "2026-11-20T09:30:00Z",
         *       "uploaded_by": "Ada Lovelace",
         *       "wanted": true
         *     }
         */
        Version: {
            /** @description Under which its processing can be followed (`/assets/{id}/progress`) and tried again (`/assets/{id}/retry`). */
            asset_id: components["schemas"]["AssetId"];
            /** Format: int64 */
            bytes: number;
            /** Format: int64 */
            duration_ms?: number | null;
            failure?: components["schemas"]["VersionFailure"] | null;
            /** @description As it was uploaded. */
            file_name: string;
            /** @description MIME type found in the bytes. */
            media_type?: string | null;
            /**
             * Format: int32
             * @description Counted from 1 in the order of uploads.
             */
            number: number;
            /** Format: int32 */
            pages?: number | null;
            /** @description It is the one that counts: learners see it, if it is published. */
            shown: boolean;
            state: components["schemas"]["VersionState"];
            /** Format: date-time */
            uploaded_at: string;
            /** @description The name of who uploaded it. */
            uploaded_by: string;
            /** @description It takes the place of the one that is shown as soon as all of it is there. */
            wanted: boolean;
        };
        /** @description Why it cannot be shown. */
        VersionFailure: {
            /** @example replacement_of_another_kind */
            code: string;
            /** @example this file is a document, but it was to take the place of a recording; upload it as something of its own */
            reason: string;
        };
        /** @enum {string} */
        VersionState: "processing" | "published" | "failed" | "kept";
        /** @description Part of [`crate::playback`]'s answer. */
        Viewing: {
            /** @description In the order of time; empty when there are none. */
            chapters: components["schemas"]["Chapter"][];
            /**
             * Format: double
             * @description Where this person stopped, in seconds; null to begin at the beginning.
             */
            resume_s?: number | null;
        };
        /** @description Where an asset is on its way. */
        Wait: components["schemas"]["Reason"] & {
            /** @description Jobs of the stage that go first. */
            ahead: number;
            /**
             * Format: date-time
             * @description Four of five assets are ready between these two. Null when it stands still, or nothing can be said.
             */
            ready_from?: string | null;
            /** Format: date-time */
            ready_to?: string | null;
            stage: components["schemas"]["Stage"];
        };
        /** @description A process that works, as last reported. */
        Worker: {
            host: string;
            /**
             * Format: int64
             * @description What its jobs may use together.
             */
            memory_bytes: number;
            /** @description Host, PID namespace and process. */
            name: string;
            pools: components["schemas"]["PoolReport"][];
            /** Format: date-time */
            seen_at: string;
            /** Format: date-time */
            started_at: string;
            /** @description Of the program. */
            version: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
