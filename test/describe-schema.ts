import type pg from 'pg'

/** The schema bitacora as SQL, in an order that does not depend on how it came about: tables, views, functions. */
export async function describeSchema(pool: pg.Pool): Promise<string> {
  const parts = await Promise.all(
    [TABLES, VIEWS, FUNCTIONS].map((query) => pool.query<{ sql: string }>(query)),
  )
  const text = parts.flatMap((part) => part.rows.map((row) => row.sql)).join('\n\n')
  return `-- Written from a migrated database; see test/schema.test.ts.\n\n${text}\n`
}

/** SQL for a `comment on` line, or for nothing where there is no comment. */
const comment = (kind: string, name: string, text: string) =>
  `case when ${text} is null then '' else format(E'\\ncomment on ${kind} %s is %L;', ${name}, ${text}) end`

const TABLES = `
  select format(E'create table %s (\\n%s\\n);', c.oid::regclass, (
      select string_agg(line, E',\\n' order by place, line) from (
        select attnum::int as place, format('  %I %s', attname, format_type(atttypid, atttypmod))
            || coalesce(' generated ' || case attidentity when 'a' then 'always' when 'd' then 'by default' end || ' as identity', '')
            || coalesce(case attgenerated when '' then ' default ' else ' generated always as ' end || pg_get_expr(adbin, adrelid), '')
            || case when attnotnull then ' not null' else '' end as line
          from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
          where attrelid = c.oid and attnum > 0 and not attisdropped
        union all
        select 10000, format('  constraint %I %s', conname, pg_get_constraintdef(oid))
          from pg_constraint where conrelid = c.oid and contype <> 'n'
      ) lines
    ))
    || ${comment('table', 'c.oid::regclass', "obj_description(c.oid, 'pg_class')")}
    || coalesce((
      select string_agg(${comment('column', "c.oid::regclass || '.' || attname", 'col_description(c.oid, attnum)')}, '' order by attnum)
        from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped
    ), '')
    || coalesce((
      select string_agg(E'\\n' || pg_get_indexdef(indexrelid) || ';', '' order by indexrelid::regclass::text)
        from pg_index where indrelid = c.oid and not exists (select from pg_constraint where conindid = indexrelid)
    ), '')
    || coalesce((
      select string_agg(E'\\n' || pg_get_triggerdef(oid) || ';'
          || case tgenabled when 'O' then '' else format(E'\\n-- %s: enabled %s', tgname, case tgenabled when 'A' then 'always' when 'R' then 'on replicas' else 'never' end) end,
          '' order by tgname)
        from pg_trigger where tgrelid = c.oid and not tgisinternal
    ), '')
    || coalesce(E'\\n-- storage parameters: ' || array_to_string(c.reloptions, ', '), '')
    || coalesce(E'\\n-- rights: ' || array_to_string(c.relacl, ', '), '') as sql
  from pg_class c
  where c.relnamespace = 'bitacora'::regnamespace and c.relkind in ('r', 'p')
  order by c.relname`

const VIEWS = `
  select format(E'create view %s as\\n%s', c.oid::regclass, pg_get_viewdef(c.oid))
    || ${comment('view', 'c.oid::regclass', "obj_description(c.oid, 'pg_class')")} as sql
  from pg_class c
  where c.relnamespace = 'bitacora'::regnamespace and c.relkind in ('v', 'm')
  order by c.relname`

const FUNCTIONS = `
  select rtrim(pg_get_functiondef(p.oid), E'\\n') || ';'
    || ${comment('function', 'p.oid::regprocedure', "obj_description(p.oid, 'pg_proc')")} as sql
  from pg_proc p
  where p.pronamespace = 'bitacora'::regnamespace
  order by p.oid::regprocedure::text`
