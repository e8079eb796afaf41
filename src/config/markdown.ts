import { hasOption, optionOf, SETTING_NAMES, SETTINGS } from './settings.ts'

/** The README's table of the configuration. */
export function configurationTable(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { env, unit, shown, allowed, meaning } = SETTINGS[name]
    const option = hasOption(name) ? ` \`${optionOf(name)}\`` : ''
    const range = unit === '' ? allowed : `${allowed} ${unit}`
    return row([`\`${env}\`${option}`, shown === '' ? '' : code(shown), range, meaning])
  })
  return [
    row(['Setting', 'Default', 'Allowed', 'Meaning']),
    row(['---', '---', '---', '---']),
    ...rows,
    '',
  ].join('\n')
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function code(text: string): string {
  return / /.test(text) ? text : `\`${text}\``
}
