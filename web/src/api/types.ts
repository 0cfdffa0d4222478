/**
 * What the API sends, by short names. The types themselves are generated from the API's description (`npm run
 * generate`); nothing about the wire is written by hand. A field that may be null may also be missing.
 */
import type { components } from './schema';

type Schema = components['schemas'];

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

export type Account = Schema['Account'];
export type Role = Schema['Role'];
export type SignedIn = Schema['Session'];

export type CourseSummary = Schema['CourseSummary'];
export type Course = Schema['Course'];
export type Module = Schema['Module'];
export type Lesson = Schema['Lesson'];
export type Completion = Schema['Completion'];

export type Kind = Schema['Kind'];
export type Asset = Schema['Asset'];
export type AssetStage = Schema['AssetStage'];
export type Playback = Schema['Playback'];
export type CaptionTrack = Schema['CaptionTrack'];
export type Chapter = Schema['Chapter'];
export type Chapters = Schema['Chapters'];
export type Captions = Schema['CaptionsShown'];
export type CaptionsEdit = Schema['CaptionsEdit'];
export type Poster = Schema['Poster'];
export type Version = Schema['Version'];
export type Source = Schema['Source'];
export type Chunk = Schema['Chunk'];
export type Locator = Schema['Locator'];

export type Hit = Schema['Hit'];
export type SearchAnswer = Schema['SearchAnswer'];

export type Certificate = Schema['Certificate'];
export type Verification = Schema['Verification'];
export type FileVerification = Schema['FileVerification'];

export type Job = Schema['Job'];
export type JobState = Schema['JobState'];
export type Lane = Schema['Lane'];
export type Stage = Schema['Stage'];
export type StageSummary = Schema['StageSummary'];
export type DeadGroup = Schema['DeadGroup'];
export type ActionRequest = Schema['ActionRequest'];
export type ActionAnswer = Schema['ActionAnswer'];
export type StageView = Schema['StageView'];
export type Backlog = Schema['Backlog'];
export type HostView = Schema['HostView'];
export type Pause = Schema['Pause'];
