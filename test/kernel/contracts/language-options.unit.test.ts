import { describe, expect, it } from '@jest/globals';
import { withLanguageOptions } from '../../../src/kernel/contracts/language-options.ts';

const proto = (...lines: string[]): string => `${['syntax = "proto3";', '', ...lines].join('\n')}\n`;

describe('withLanguageOptions', () => {
  it('names what Go, Java and C# generate by the package and the file', () => {
    const contract = proto('package order_desk.v1;', '', 'import "a.proto";', 'import "b.proto";', '', 'message Order {}');
    expect(withLanguageOptions('order_desk/v1/query_service.proto', contract)).toBe(
      proto(
        'package order_desk.v1;',
        '',
        'import "a.proto";',
        'import "b.proto";',
        '',
        'option csharp_namespace = "Bicameral.OrderDesk.V1";',
        'option go_package = "bicameral/order_desk/v1;order_deskv1";',
        'option java_multiple_files = true;',
        'option java_outer_classname = "QueryServiceProto";',
        'option java_package = "bicameral.order_desk.v1";',
        '',
        'message Order {}',
      ),
    );
  });

  it('follows the package where nothing is imported, and leaves an option that is there', () => {
    const contract = proto('package shop.v1;', '', 'option go_package = "shop.example.org/v1";', '', 'message Order {}');
    const changed = withLanguageOptions('shop/v1/order.proto', contract);
    expect(changed).toContain('package shop.v1;\n\noption csharp_namespace');
    expect(changed.match(/go_package/g)).toHaveLength(1);
  });

  it('refuses a contract without a package', () => {
    expect(() => withLanguageOptions('a.proto', proto('message Order {}'))).toThrow('a.proto declares no package');
  });
});
