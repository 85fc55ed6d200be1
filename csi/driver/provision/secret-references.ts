/** Which secrets a class names, with the claim's and the volume's names filled in. Pure. */

import type { SecretReference } from '../../../shared/kube/storage-types.ts';
import { ClassError } from './class-parameters.ts';
import { PREFIX } from './names.ts';

/** What a secret is for: the keys are `csi.storage.k8s.io/PURPOSE-secret-name` and `…-namespace`. */
export type SecretPurpose =
  | 'provisioner'
  | 'controller-publish'
  | 'node-stage'
  | 'node-publish'
  | 'controller-expand'
  | 'node-expand'
  | 'controller-modify';

/** Whose names fill the templates. */
export interface SecretSubject {
  /** Of the volume, or of a snapshot's content. */
  readonly volume: string;
  readonly claim?: {
    readonly namespace: string;
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/**
 * The secret of a purpose, else the class's default one.
 *
 * A namespace is filled from the volume's name and the claim's namespace alone, which users do not choose freely; a name
 * also from the claim's name and annotations (external-provisioner, getSecretReference).
 *
 * @throws ClassError for templates that cannot be filled, or not to a name
 */
export function secretReference(
  parameters: Readonly<Record<string, string>> = {},
  purpose: SecretPurpose,
  { volume, claim }: SecretSubject,
): SecretReference | undefined {
  const templates = templatesOf(parameters, `${purpose}-`) ?? templatesOf(parameters, '');
  if (!templates) return undefined;
  const forNamespace = new Map([['pv.name', volume]]);
  if (claim) forNamespace.set('pvc.namespace', claim.namespace);
  const forName = new Map(forNamespace);
  if (claim) {
    forName.set('pvc.name', claim.name);
    for (const [key, value] of Object.entries(claim.annotations ?? {}))
      forName.set(`pvc.annotations['${key}']`, value);
  }
  return filledReference(templates, forNamespace, forName);
}

/** The secret with which snapshots are read. @param tokens what templates may name @throws ClassError */
export function snapshotSecret(
  parameters: Readonly<Record<string, string>>,
  purpose: 'snapshotter-list' | 'group-snapshotter-get',
  tokens: Readonly<Record<string, string>>,
): SecretReference | undefined {
  const templates = templatesOf(parameters, `${purpose}-`);
  const values = new Map(Object.entries(tokens));
  return templates && filledReference(templates, values, values);
}

function filledReference(
  templates: SecretReference,
  forNamespace: ReadonlyMap<string, string>,
  forName: ReadonlyMap<string, string>,
): SecretReference {
  const namespace = filled(templates.namespace, forNamespace);
  if (!LABEL.test(namespace)) throw notAName(templates.namespace, namespace, 'namespace');
  const name = filled(templates.name, forName);
  if (!SUBDOMAIN.test(name)) throw notAName(templates.name, name, 'secret');
  return { name, namespace };
}

function templatesOf(
  parameters: Readonly<Record<string, string>>,
  purpose: string,
): SecretReference | undefined {
  const name = parameters[`${PREFIX}${purpose}secret-name`];
  const namespace = parameters[`${PREFIX}${purpose}secret-namespace`];
  if (name === undefined && namespace === undefined) return undefined;
  if (!name || !namespace)
    throw new ClassError(`name and namespace of ${purpose || 'default '}secrets must both be specified`);
  return { name, namespace };
}

function filled(template: string, values: ReadonlyMap<string, string>): string {
  return template.replaceAll(/\$\{([^}]*)\}/g, (_, token: string) => {
    const value = values.get(token);
    if (value === undefined)
      throw new ClassError(`error resolving value "${template}": invalid tokens: ["${token}"]`);
    return value;
  });
}

function notAName(template: string, name: string, what: string): ClassError {
  const from = template === name ? '' : `"${template}" resolved to `;
  return new ClassError(`${from}"${name}" which is not a valid ${what} name`);
}
