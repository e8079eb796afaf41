import { type Command, Option } from 'commander'
import { hasOption, optionOf, SETTINGS, type SettingName } from '../config/settings.ts'
import type { Overrides } from '../config.ts'

/** Gives a command an option for each of these settings. */
export function addSettings(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) if (hasOption(name)) command.addOption(optionFor(name))
  return command
}

function optionFor(name: SettingName): Option {
  const { env, unit, shown, allowed, meaning } = SETTINGS[name]
  const facts = [
    env,
    ...(shown === '' ? [] : [`default: ${shown}`]),
    `allowed: ${unit === '' ? allowed : `${allowed} ${unit}`}`,
  ]
  return new Option(`${optionOf(name)} <${unit === '' ? 'value' : unit}>`, `${meaning} (${facts.join('; ')})`)
}

/** What the command line said about these settings. */
export function overridesOf(command: Command, names: readonly SettingName[]): Overrides {
  const given = command.opts<Partial<Record<SettingName, string>>>()
  return Object.fromEntries(names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])))
}
