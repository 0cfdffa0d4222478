/** Courses, their modules and lessons, enrolments and completions. */
import { queryOptions } from '@tanstack/react-query';
import { ask, askWithEtag } from './client';
import type { Completion, Course, CourseSummary, Lesson, Module, Page } from './types';

export const coursesQuery = queryOptions({
  queryKey: ['courses'],
  queryFn: async ({ signal }) => {
    const all: CourseSummary[] = [];
    let cursor: string | null | undefined;
    do {
      const page: Page<CourseSummary> = await ask('/courses', { query: { limit: 100, cursor }, signal });
      all.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor);
    return all;
  },
});

/** With the ETag that an edit has to name. */
export const courseQuery = (id: string) =>
  queryOptions({
    queryKey: ['course', id],
    queryFn: async ({ signal }) => {
      const { body, etag } = await askWithEtag<Course>(`/courses/${id}`, { signal });
      return { ...body, etag };
    },
  });

export function createCourse(course: { title: string; summary: string }): Promise<{ id: string }> {
  return ask('/courses', { method: 'POST', body: course });
}

export function editCourse(id: string, etag: string | null, changes: { title?: string; summary?: string }): Promise<void> {
  return ask(`/courses/${id}`, { method: 'PATCH', body: changes, headers: etag === null ? {} : { 'if-match': etag } });
}

export function publishCourse(id: string): Promise<void> {
  return ask(`/courses/${id}/publish`, { method: 'POST' });
}

export function createModule(courseId: string, title: string): Promise<Module> {
  return ask(`/courses/${courseId}/modules`, { method: 'POST', body: { title } });
}

export function createLesson(moduleId: string, title: string, assetIds: string[] = []): Promise<Lesson> {
  return ask(`/modules/${moduleId}/lessons`, { method: 'POST', body: { title, asset_ids: assetIds } });
}

/** Replaces what the lesson shows, in this order. */
export function setLessonAssets(lessonId: string, assetIds: string[]): Promise<void> {
  return ask(`/lessons/${lessonId}/assets`, { method: 'PUT', body: { asset_ids: assetIds } });
}

export function enrol(courseId: string): Promise<void> {
  return ask(`/courses/${courseId}/enrollments`, { method: 'POST' });
}

export function completeLesson(lessonId: string): Promise<Completion> {
  return ask(`/lessons/${lessonId}/completion`, { method: 'POST' });
}
