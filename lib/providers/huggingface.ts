/** Which options does Hugging Face need? */
import { checkSettings, openIdOptions, text, type ClientSettings, type Preset } from './settings.ts'

export interface HuggingFaceSettings extends ClientSettings {
  clientId: string | undefined
}

/**
 * Hugging Face. Everyone with an account can log in: decide with `authorizeUser`.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function huggingface (settings: HuggingFaceSettings): Preset {
  checkSettings('huggingface', settings, { clientId: text })
  return openIdOptions('https://huggingface.co', settings)
}
